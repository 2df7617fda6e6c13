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

#include "metrics.h"
#include "tevent.h"

struct evbuffer;
struct fanout;

/* A response in the making. */
struct http_reply {
	int code;
	const char *reason;
	const char *word;  /* the one word of a plain answer */
	const char *error; /* the sentence of a JSON answer; NULL: none */
	enum metrics_why why;
	uint64_t mid;      /* 0: none */
	const char *allow; /* header, or NULL */
	bool upgrade;      /* name the WebSocket version that we speak */
	bool close;
	const struct fanout *several; /* the parts of a JSON answer, or NULL */
	struct evbuffer *page;        /* the metrics, in place of the word */
};

/* What an answer of the broker is to a publisher. */
const struct http_reply *http_reply_of(enum answer);

/* Why a request with this status was refused, for the metrics. */
enum metrics_why http_reply_why(int code);

/* Which word of a plain answer it has, for the metrics. */
enum metrics_answer http_reply_word(enum answer);

/* The reason phrase of a status code. */
const char *http_reply_reason(int code);

/*
 * Append the JSON answer for the device whose id is the LEN bytes at ID, or
 * for several devices.  Returns 0, or -1 when memory is short.
 */
int http_reply_print_json(struct evbuffer *, const struct http_reply *,
    const char *id, size_t len);

#endif
