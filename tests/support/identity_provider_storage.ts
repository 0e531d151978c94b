/** Where `oidc-provider` keeps things in a test: a map that outlives one provider, so that keys can be changed under a session. */
import type { Adapter, AdapterPayload } from "./oidc_provider.d.ts";

/** Makes the adapters of all models on one map. Nothing expires in it: a test is over sooner. */
export function memoryStorage(): (model: string) => Adapter {
  const records = new Map<string, AdapterPayload>();
  return (model) => new MemoryAdapter(model, records);
}

class MemoryAdapter implements Adapter {
  readonly #model: string;
  readonly #records: Map<string, AdapterPayload>;

  constructor(model: string, records: Map<string, AdapterPayload>) {
    this.#model = model;
    this.#records = records;
  }

  upsert(id: string, payload: AdapterPayload): Promise<void> {
    this.#records.set(`${this.#model}:${id}`, payload);
    return Promise.resolve();
  }

  find(id: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(this.#records.get(`${this.#model}:${id}`));
  }

  findByUid(uid: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(this.#first((payload) => payload.uid === uid));
  }

  findByUserCode(userCode: string): Promise<AdapterPayload | undefined> {
    return Promise.resolve(this.#first((payload) => payload.userCode === userCode));
  }

  consume(id: string): Promise<void> {
    const payload = this.#records.get(`${this.#model}:${id}`);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
    return Promise.resolve();
  }

  destroy(id: string): Promise<void> {
    this.#records.delete(`${this.#model}:${id}`);
    return Promise.resolve();
  }

  revokeByGrantId(grantId: string): Promise<void> {
    for (const [key, payload] of this.#records) {
      if (payload.grantId === grantId && key.startsWith(`${this.#model}:`)) this.#records.delete(key);
    }
    return Promise.resolve();
  }

  #first(fits: (payload: AdapterPayload) => boolean): AdapterPayload | undefined {
    for (const [key, payload] of this.#records) {
      if (key.startsWith(`${this.#model}:`) && fits(payload)) return payload;
    }
    return undefined;
  }
}
