/** The example server of SDK v1 with its in-memory authorization server, as a program of its own, kept to loopback. */
import "./loopback_listen.ts";
// @ts-types="@modelcontextprotocol/sdk/examples/server/simpleStreamableHttp"
import "@modelcontextprotocol/sdk/examples/server/simpleStreamableHttp.js";
