/** A million events of eight bytes, each in a chunk of its own: half a minute of nothing but overhead. */
import { tinyEvents } from "../security/stream_scene.ts";

Deno.test("a million tiny events pass, each of them, in bounded memory (B13 204)", () =>
  tinyEvents(1_000_000));
