/** Once imported, every `node:net` or `node:http` server of this process listens on 127.0.0.1 and prints its address. */
import net from "node:net";

// Its overloads cannot be written for a wrapper that passes on whatever it was given.
type Listen = (this: net.Server, ...args: unknown[]) => net.Server;
// The prototype's own type only knows those overloads.
const prototype = net.Server.prototype as unknown as { listen: Listen };
const listen = prototype.listen;

prototype.listen = function (...args) {
  this.once("listening", () => {
    const line = `LISTENING ${JSON.stringify(this.address())}\n`;
    Deno.stdout.writeSync(new TextEncoder().encode(line));
  });
  const [first, ...rest] = args;
  if (typeof first === "number" || typeof first === "string") {
    const callback = rest.find((argument) => typeof argument === "function");
    return listen.call(this, { port: Number(first), host: "127.0.0.1" }, callback);
  }
  if (typeof first === "object" && first !== null && "port" in first) {
    return listen.call(this, { ...first, host: "127.0.0.1" }, ...rest);
  }
  return listen.apply(this, args);
};
