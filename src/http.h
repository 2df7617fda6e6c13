/* SPDX-License-Identifier: ISC */
/*
 * http - the publisher's side: requests from evhttp become events for the
 * broker, its answers become responses.
 * Thread: worker.
 */
#ifndef MPUSHD_HTTP_H
#define MPUSHD_HTTP_H

#include <event2/util.h>
#include <stdint.h>

#include "tevent.h"

struct conf;
struct conn;
struct evhttp;
struct evhttp_request;

/* Set the limits and callbacks of a worker's evhttp; ARG is its conns. */
void http_setup(struct evhttp *, void *arg, const struct conf *);

/* The largest body that evhttp may read, in bytes. */
ev_ssize_t http_body_max(const struct conf *);

/* From here on a body is large: few are read at a time. */
ev_ssize_t http_body_large(const struct conf *);

/*
 * Answer the request that waits on a connection, or its part PART if it is for
 * several devices.
 */
void
http_answer(struct conn *, uint32_t part, enum answer answer, uint64_t mid);

/*
 * evhttp has turned the peer away with a page of its own: send ours in its
 * place and end the connection.
 */
void http_replace_page(struct conn *);

/* The daemon stops: end the connection if no request is under way. */
void http_stop(struct conn *);

#endif
