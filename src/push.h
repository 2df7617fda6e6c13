/* SPDX-License-Identifier: ISC */
/*
 * push - from the parts of an HTTP request to a device id, a title and a
 * content (the contract's table of requests), and what else a message has.  A
 * JSON body without a content may be another program's webhook (hook.h).
 * Pure: bytes in, result out; knows no libevent and no clock.
 * Limits: title + content at most max_message bytes after decoding; a webhook's
 * body max_webhook; a url PUSH_URL_MAX, tags PUSH_TAGS_MAX, a collapse key
 * PUSH_KEY_MAX.
 */
#ifndef MPUSHD_PUSH_H
#define MPUSHD_PUSH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct address_list;
struct conf_groups;
struct conf_templates;
struct hook_severity;

#define PUSH_URL_MAX  2048 /* bytes */
#define PUSH_TAGS_MAX 255
#define PUSH_KEY_MAX  512

/* What evhttp gives, all borrowed; absent parts are NULL. */
struct push_request {
	const char *target;       /* request target, as on the request line */
	const char *content_type; /* header, with its parameters */
	bool encoded;             /* there is a Content-Encoding: compressed */
	const char *title;        /* Title: header */
	const char *priority;     /* Priority: header */
	const char *body;         /* NULL for GET */
	size_t body_len;
	size_t max_message; /* bytes */
	size_t max_webhook; /* bytes; of a JSON body that is one */
	const struct hook_severity *severities; /* see hook.h */
	size_t severity_count;
	const struct conf_groups *groups;       /* NULL: none */
	const struct conf_templates *templates; /* likewise */
};

/* The device, or the devices, that a request target names. */
struct push_to {
	struct address_list *several; /* owned; NULL: one, and its id is */
	char id[PROTO_ID_MAX + 1];    /* NUL-terminated too */
	size_t id_len;
};

/* The outcome.  push_free frees what it owns. */
struct push {
	int status;        /* 200, or 400, 404, 413, 415, 500 */
	const char *error; /* static sentence when status is not 200 */
	struct push_to to;
	char *title,
	    *content; /* owned; valid UTF-8, no U+0000; NULL unless status is 200 */
	size_t title_len, content_len;
	char *url, *tags; /* likewise; NULL too when not set */
	size_t url_len, tags_len;
	int priority;      /* 1 to 5; 0: none */
	uint64_t collapse; /* hash of the collapse key; 0: none */
	uint64_t dedup;    /* equal for a repeated notification; 0: unknown */
	bool no_wait;      /* answer as soon as it is kept */
	bool require_ack;  /* kept or not, only a confirmation is a success */
	const char *shape; /* of a webhook, static; or "none" */
	/* Of the configuration: a template that took too long to be used. */
	const char *failed_template;
};

/*
 * The device id that a request target names: its path, percent-decoded,
 * without the first '/'.  Absolute-form targets (RFC 9112 3.2.2) lose scheme
 * and authority.  Writes PROTO_ID_MAX bytes and a NUL at most; returns NULL,
 * or why it cannot be an id, a static sentence.
 */
const char *
push_parse_id(const char *target, char id[PROTO_ID_MAX + 1], size_t *len);

/*
 * The same for a target that may name several devices and groups (address.h).
 * push_to_free frees what *TO owns, whatever the outcome.
 */
const char *push_parse_to(const char *target, const struct conf_groups *,
    struct push_to *to);

/* The status for what push_parse_to returned: 404, or 500 for want of memory. */
int push_to_status(const char *fault);

/* Free what TO owns. */
void push_to_free(struct push_to *to);

/* Decode a request into *P, which the caller frees with push_free whatever the outcome.  500 with an error when memory is short. */
void push_parse(const struct push_request *, struct push *p);

/* Free what P owns. */
void push_free(struct push *p);

#endif
