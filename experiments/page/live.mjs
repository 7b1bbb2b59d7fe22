// A page that is served goes on with its run: what it does not hold is fetched, and what is new is asked for.

/** Between two questions for news, and after an error, ms. */
const PAUSE = 2000;
const LONG_PAUSE = 10_000;

/** What `poet view` answers; addresses are relative to the page's own. */
export class Server {
  /** A niche's ground, its stored agents and its whole curve. */
  niche(id) { return this.#get(`niche?id=${id}`); }

  /** Parameters by agent version, as base64. */
  thetas(versions) { return this.#get(`thetas?versions=${versions.join(',')}`); }

  /** What came after a moment that the server has named. */
  news(moment) { return this.#get(`news?since=${moment}`); }

  /** How complex the terrains are; `of` and `done` say how many have been measured so far. */
  growth() { return this.#get('growth'); }

  /** Of several runs: the curves of all. */
  curves() { return this.#get('curves'); }

  async #get(address) {
    const response = await fetch(address, { cache: 'no-store' });
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    return found;
  }
}

/**
 * Do something again and again for as long as the page is open; while it is out of sight it rests.
 *
 * @param act what is done first after a pause; what it returns may be a promise
 * @param onError called with a sentence if it fails
 */
export async function repeat(act, onError) {
  for (let pause = PAUSE; ;) {
    await new Promise((go) => { setTimeout(go, pause); });
    await seen();
    try {
      await act();
      pause = PAUSE;
    } catch (error) {
      onError(error instanceof TypeError ? 'poet view does not answer: has it ended?' : error.message);
      pause = LONG_PAUSE;
    }
  }
}

/**
 * Ask for news.
 *
 * @param server a Server
 * @param live what the first page said: the moment of its data
 * @param onNews called with what is new, which may be no more than the state of the run
 * @param onError called with a sentence
 */
export function follow(server, live, onNews, onError) {
  let { moment } = live;
  repeat(async () => {
    const news = await server.news(moment);
    if (news.is_other) {
      location.reload();  // another run lies there now
      return;
    }
    moment = news.moment;
    await onNews(news);
  }, onError);
}

/** Done as soon as somebody can see the page. */
function seen() {
  if (!document.hidden) return null;
  return new Promise((go) => { document.addEventListener('visibilitychange', go, { once: true }); });
}
