/* SPDX-License-Identifier: ISC */
/*
 * http_impl - what the files of http share: requests are routed in http.c,
 * pushes go to the broker and come back in http_push.c.
 * Thread: worker.
 */
#ifndef MPUSHD_HTTP_IMPL_H
#define MPUSHD_HTTP_IMPL_H

#include <stdbool.h>

struct conn;
struct http_reply;

/* What matters of a request's header, in one pass over it. */
struct http_head {
	const char *type, *title, *priority, *length, *coding;
	const char *key, *version;     /* Sec-WebSocket-... */
	unsigned int lengths, codings; /* how many fields */
	bool upgrade, websocket;
	bool json, close, encoded;
	bool bad_name; /* a field name with white space in it */
};

/* Answer the request on a connection; the next one may follow. */
void http_reply(struct conn *, const struct http_reply *);

/* Refuse the request with a status code and a sentence. */
void http_refuse(struct conn *, int code, const char *error);

/* Answer a push, or hand it to the broker: http_answer comes then. */
void http_on_push(struct conn *, const struct http_head *);

/* The same for the question whether there are such devices. */
void http_on_head(struct conn *);

#endif
