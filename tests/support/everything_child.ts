/**
 * The official server-everything as a program of its own, kept to loopback: it would listen on every interface and
 * print the port it was asked for (0) instead of the one it got.
 */
import "./loopback_listen.ts";
import "server-everything/dist/transports/streamableHttp.js";
