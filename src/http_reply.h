/* SPDX-License-Identifier: ISC */
/*
 * http_reply - what a publisher is told: status code, word and sentence of
 * each answer, and the JSON text.
 * Thread: worker; pure.
 */
#ifndef MPUSHD_HTTP_REPLY_H
#define MPUSHD_HTTP_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tevent.h"

struct evbuffer;
struct fanout;

/* A response in the making. */
struct http_reply {
	int code;
	const char *reason;
	const char *word;  /* the one word of a plain answer */
	const char *error; /* the sentence of a JSON answer; NULL: none */
	uint64_t mid;      /* 0: none */
	const char *allow; /* header, or NULL */
	bool upgrade;      /* name the WebSocket version that we speak */
	bool close;
	const struct fanout *several; /* the parts of a JSON answer, or NULL */
};

/* What an answer of the broker is to a publisher. */
const struct http_reply *http_reply_of(enum answer);

/* The reason phrase of a status code. */
const char *http_reply_reason(int code);

/*
 * Append the JSON answer for the device whose id is the LEN bytes at ID, or
 * for several devices.  Returns 0, or -1 when memory is short.
 */
int http_reply_print_json(struct evbuffer *, const struct http_reply *,
    const char *id, size_t len);

#endif
