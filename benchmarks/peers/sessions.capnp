# sessions.js on workerd: SQLite storage on a local disk. The runner names the socket and the directory.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "sessions", worker = .sessions),
    (name = "disk", disk = (writable = true)),
  ],
  sockets = [(name = "http", http = (), service = "sessions")],
);

const sessions :Workerd.Worker = (
  modules = [(name = "sessions.js", esModule = embed "sessions.js")],
  compatibilityDate = "2026-11-01",
  durableObjectNamespaces = [(className = "Session", uniqueKey = "session", enableSql = true)],
  durableObjectStorage = (localDisk = "disk"),
  bindings = [(name = "SESSION", durableObjectNamespace = "Session")],
);
