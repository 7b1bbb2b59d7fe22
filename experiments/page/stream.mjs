// Randomness as Python has it (environments/streams.py): a stream's name, hashed, is a place in Philox4x32-10.

const WORD = (1n << 64n) - 1n, HALF = 0xffffffffn;
/** Of BLAKE2b (RFC 7693): the first words, and the order in which each round takes the message's words. */
const FIRST = [
  0x6a09e667f3bcc908n, 0xbb67ae8584caa73bn, 0x3c6ef372fe94f82bn, 0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n, 0x9b05688c2b3e6c1fn, 0x1f83d9abfb41bd6bn, 0x5be0cd19137e2179n,
];
const ORDERS = [
  '0123456789abcdef', 'ea489fd61c02b753', 'b8c052fdae367194', '7931dcbe265a40f8', '905724afe1bc683d',
  '2c6a0b834d75fe19', 'c51fed4a0763928b', 'db7ec13950f4862a', '6fe9b308c2d714a5', 'a2847615fb9e3cd0',
].map((text) => Array.from(text, (digit) => parseInt(digit, 16)));
const MIXED = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];
const NUM_HASH_ROUNDS = 12, MOST_BYTES = 128, DIGEST_SIZE = 16n;
/** Of Philox4x32 (Salmon et al. 2011): multipliers, and what is added to the key in each round. */
const [M0, M1] = [0xd2511f53n, 0xcd9e8d57n], [W0, W1] = [0x9e3779b9n, 0xbb67ae85n];
const NUM_ROUNDS = 10;

/** The first two words of BLAKE2b with a digest of 16 bytes, of a text of at most 128 bytes. */
function hashed(text) {
  const bytes = new Uint8Array(MOST_BYTES), { written, read } = new TextEncoder().encodeInto(text, bytes);
  if (read < text.length) throw new RangeError(`the name of a stream has at most ${MOST_BYTES} bytes`);
  const message = new BigUint64Array(16), view = new DataView(bytes.buffer);
  message.forEach((_, i) => { message[i] = view.getBigUint64(8 * i, true); });
  const first = [FIRST[0] ^ 0x01010000n ^ DIGEST_SIZE, ...FIRST.slice(1)];
  const v = [...first, ...FIRST];
  v[12] ^= BigInt(written);
  v[14] ^= WORD;
  const turned = (word, by) => ((word >> by) | (word << (64n - by))) & WORD;
  for (let round = 0; round < NUM_HASH_ROUNDS; round++) {
    const order = ORDERS[round % ORDERS.length];
    MIXED.forEach(([a, b, c, d], i) => {
      for (const [place, byD, byB] of [[2 * i, 32n, 24n], [2 * i + 1, 16n, 63n]]) {
        v[a] = (v[a] + v[b] + message[order[place]]) & WORD;
        v[d] = turned(v[d] ^ v[a], byD);
        v[c] = (v[c] + v[d]) & WORD;
        v[b] = turned(v[b] ^ v[c], byB);
      }
    });
  }
  return [0, 1].map((i) => first[i] ^ v[i] ^ v[i + 8]);
}

/** Draws in sequence from the stream that is named by a seed and a purpose. */
export class RandomStream {
  #key; #upper; #block = 0n; #words = [];

  /**
   * @param seed a whole number
   * @param purpose what the draws are for
   */
  constructor(seed, purpose) {
    const [key, upper] = hashed(`${seed}/${purpose}`);
    this.#key = [key & HALF, key >> 32n];
    this.#upper = [upper & HALF, upper >> 32n];
  }

  /** The next random word, 0 to 2^32 - 1. */
  word() {
    if (!this.#words.length) this.#words = this.#fill(this.#block++);
    return this.#words.shift();
  }

  /** A float64 from low, which is included, to high: 53 random bits, scaled. */
  uniform(low = 0, high = 1) {
    const bits = this.word() * 2 ** 21 + (this.word() >>> 11);
    return low + (high - low) * (bits / 2 ** 53);
  }

  /** A whole number from low to high - 1. */
  integer(low, high) {
    const span = high - low, limit = 2 ** 32 - (2 ** 32 % span);
    let word = this.word();
    while (word >= limit) word = this.word();
    return low + (word % span);
  }

  /** One of some items. */
  choice(items) { return items[this.integer(0, items.length)]; }

  #fill(block) {
    let [c0, c1, c2, c3] = [block & HALF, block >> 32n, ...this.#upper], [k0, k1] = this.#key;
    for (let round = 0; round < NUM_ROUNDS; round++) {
      const p0 = M0 * c0, p1 = M1 * c2;
      [c0, c1, c2, c3] = [(p1 >> 32n) ^ c1 ^ k0, p1 & HALF, (p0 >> 32n) ^ c3 ^ k1, p0 & HALF];
      [k0, k1] = [(k0 + W0) & HALF, (k1 + W1) & HALF];
    }
    return [c0, c1, c2, c3].map(Number);
  }
}
