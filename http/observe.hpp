// What is noted of every answer: the metrics, and a line in the access log when that is wanted.
//
// A line names the request id, method, path, route, session, status and duration. It has no query, header or body,
// since those may hold secrets (a ticket in the query, a key in a header). On the connection's thread.
#pragma once

namespace holdfast::http {

class Exchange;

// The exchange is answered with `status`: call before it ends.
void observe(Exchange& exchange, int status);

}  // namespace holdfast::http
