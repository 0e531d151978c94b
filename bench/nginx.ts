/** nginx as reverse proxy with the credential replaced: a reference that says how far any JavaScript is from C. */
import { accepts, type Child, freePort, start } from "./child_process.ts";
import type { Bench } from "./options.ts";

/** Starts nginx as one process; returns it with its origin. */
export async function startNginx(
  bench: Bench & { readonly nginx: string },
  { upstream, bearer }: { readonly upstream: string; readonly bearer: string },
): Promise<{ readonly child: Child; readonly origin: string }> {
  const port = freePort();
  const dir = `${bench.workDir}/nginx`;
  await Deno.mkdir(dir, { recursive: true });
  await Deno.writeTextFile(
    `${dir}/nginx.conf`,
    configuration(port, { dir, upstream: new URL(upstream).host, bearer }),
  );
  const child = await start(bench, {
    command: bench.nginx,
    args: ["-p", dir, "-e", `${dir}/error.log`, "-c", `${dir}/nginx.conf`],
    core: "target",
    ready: () => accepts(port),
  });
  return { child, origin: `http://127.0.0.1:${port}` };
}

function configuration(
  port: number,
  { dir, upstream, bearer }: { readonly dir: string; readonly upstream: string; readonly bearer: string },
): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((kind) => `  ${kind}_temp_path ${dir}/${kind};`).join("\n");
  return `daemon off;
master_process off;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/error.log crit;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
${temporary}
  upstream stub { server ${upstream}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://stub;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Authorization "Bearer ${bearer}";
      proxy_buffering off;
    }
  }
}
`;
}
