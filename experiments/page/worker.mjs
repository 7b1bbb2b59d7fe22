// What runs episodes beside the page. The page makes a worker of the very text of this script.

import { Walker } from '../../agents/wasm/walker.mjs';
import { runEpisode } from './episode.mjs';

/** Answer each message, a list of episodes, with one message an episode, in their order. */
function serveEpisodes() {
  let loading = null;  // of the walker, which comes with the first message; later ones may arrive meanwhile
  self.onmessage = async ({ data: { wasm, layout, policy, episodes } }) => {
    if (wasm) loading = Walker.load(wasm, layout);
    const walker = await loading.catch((error) => { setTimeout(() => { throw error; }); });  // to the page's onerror
    if (!walker) return;
    if (wasm) walker.setPolicy(policy);
    for (const { key, terrain, theta, push, maxSteps } of episodes) {
      try {
        self.postMessage({ key, result: runEpisode(walker, terrain, theta, push, maxSteps) });
      } catch (error) {
        self.postMessage({ key, error: error.message });
      }
    }
  };
}

if (typeof document === 'undefined') serveEpisodes();

/** A worker that is started with the first episode that it is given. */
export class EpisodeWorker {
  #source; #world; #wasm; #onFailure; #worker = null; #waiting = new Map(); #count = 0; #failure = null;

  /**
   * @param source the text of the script that holds this class
   * @param world with the module's layout and the policy
   * @param wasm the module's bytes
   * @param onFailure called with a sentence if the worker fails altogether; then it answers each episode by that
   */
  constructor(source, world, wasm, onFailure) {
    this.#onFailure = onFailure;
    this.#source = source;
    this.#world = world;
    this.#wasm = wasm;
  }

  /**
   * Run episodes beside the page.
   *
   * @param episodes objects with terrain, theta, push and maxSteps
   * @param onResult called with the place of an episode in the list and `{ result }` or `{ error }`
   */
  run(episodes, onResult) {
    const keyed = episodes.map((episode, place) => {
      const key = this.#count++;
      this.#waiting.set(key, (answer) => onResult(place, answer));
      return { ...episode, key };
    });
    if (this.#failure) return this.#fail(this.#failure);
    const isFirst = this.#worker === null;
    if (isFirst) this.#start();
    const { layout, policy } = this.#world;
    this.#worker.postMessage(isFirst ? { wasm: this.#wasm, layout, policy, episodes: keyed } : { episodes: keyed });
  }

  #start() {
    const address = URL.createObjectURL(new Blob([this.#source], { type: 'text/javascript' }));
    this.#worker = new Worker(address);
    this.#worker.onmessage = ({ data: { key, ...answer } }) => {
      const tell = this.#waiting.get(key);
      this.#waiting.delete(key);
      tell?.(answer);
    };
    this.#worker.onerror = ({ message }) => this.#fail(
      `Nothing can be run beside the page (${message || 'the browser starts no worker'}): load it again, or try another browser.`);
  }

  #fail(sentence) {
    this.#failure = sentence;
    this.#onFailure(sentence);
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const tell of waiting) tell({ error: sentence });
  }
}
