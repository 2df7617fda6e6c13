/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "http_reply.h"

#include <event2/buffer.h>

#include "address.h"
#include "fanout.h"
#include "message.h"
#include "proto.h"

/* What the broker's answers are to a publisher. */
static const struct http_reply http_reply_answers[] = {
	[ANSWER_OK] = { .code = 200, .reason = "OK", .word = "ok" },
	[ANSWER_ONLINE] = { .code = 200, .reason = "OK", .word = "online" },
	[ANSWER_OFFLINE] = { .code = 200, .reason = "OK", .word = "offline" },
	[ANSWER_UNKNOWN] = { .code = 404,
	    .why = METRICS_WHY_NOT_FOUND,
	    .reason = "Not Found",
	    .word = "no",
	    .error = "no such device: it has to log in once, or be listed in "
		     "REGISTERS; the message was dropped" },
	[ANSWER_QUEUE_FULL] = { .code = 503,
	    .why = METRICS_WHY_QUEUE_FULL,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the device's queue is full; try again when it has been "
		     "connected" },
	[ANSWER_STOPPING] = { .code = 503,
	    .why = METRICS_WHY_STOPPING,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the server is shutting down; try again" },
	[ANSWER_NO_MEMORY] = { .code = 503,
	    .why = METRICS_WHY_NO_MEMORY,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the server is short of memory; try again later" },
	[ANSWER_STORE_FULL] = { .code = 503,
	    .why = METRICS_WHY_STORE_FULL,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the messages that wait take all the room that MAX_STORE "
		     "gives them; try again when devices have been connected" },
	[ANSWER_NOT_CONFIRMED] = { .code = 503,
	    .why = METRICS_WHY_NOT_CONFIRMED,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "no device has confirmed the message, which was dropped; "
		     "try again" },
	[ANSWER_REPEATED] = { .code = 503,
	    .why = METRICS_WHY_REPEATED,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the same notification is being pushed at this moment; "
		     "try again" },
	[ANSWER_STARTING] = { .code = 503,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the server is starting: pushes wait until it is ready" },
	[ANSWER_NOT_KEPT] = { .code = 503,
	    .why = METRICS_WHY_NOT_KEPT,
	    .reason = "Service Unavailable",
	    .word = "no",
	    .error = "the message cannot be written to disk now; try again "
		     "later" },
};

const struct http_reply *
http_reply_of(enum answer answer)
{
	return &http_reply_answers[answer];
}

enum metrics_why
http_reply_why(int code)
{
	switch (code) {
	case 404:
		return METRICS_WHY_NOT_FOUND;
	case 405:
		return METRICS_WHY_METHOD;
	case 413:
	case 431:
		return METRICS_WHY_TOO_LARGE;
	case 415:
		return METRICS_WHY_MEDIA_TYPE;
	case 426:
		return METRICS_WHY_UPGRADE;
	case 503:
		return METRICS_WHY_NO_MEMORY;
	default:
		return METRICS_WHY_BAD_REQUEST;
	}
}

enum metrics_answer
http_reply_word(enum answer answer)
{
	switch (answer) {
	case ANSWER_OK:
		return METRICS_OK;
	case ANSWER_ONLINE:
		return METRICS_ONLINE;
	case ANSWER_OFFLINE:
		return METRICS_OFFLINE;
	default:
		return METRICS_NO;
	}
}

const char *
http_reply_reason(int code)
{
	switch (code) {
	case 200:
		return "OK";
	case 204:
		return "No Content";
	case 400:
		return "Bad Request";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 413:
		return "Content Too Large";
	case 415:
		return "Unsupported Media Type";
	case 417:
		return "Expectation Failed";
	case 426:
		return "Upgrade Required";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	default:
		return "Error";
	}
}

/* ,"NAME": "ID" */
static int
http_reply_print_device(struct evbuffer *out, const char *id, size_t len)
{
	char escaped[PROTO_ID_MAX * 6];

	len = message_escape(escaped, id, len);
	return evbuffer_add_printf(out, "\"device\": \"%.*s\"", (int)len,
	    escaped);
}

/* What one part was answered, as an object. */
static int
http_reply_print_part(struct evbuffer *out, const struct address *to,
    const struct fanout_part *part)
{
	const struct http_reply *r = http_reply_of(part->answer);
	int n;

	if (evbuffer_add_printf(out, "{") == -1 ||
	    http_reply_print_device(out, to->id, to->len) == -1)
		return -1;
	if (r->error != NULL)
		n = evbuffer_add_printf(out,
		    ", \"status\": \"%s\", \"error\": \"%s\"}", r->word,
		    r->error);
	else if (part->mid == 0)
		n = evbuffer_add_printf(out, ", \"status\": \"%s\"}", r->word);
	else
		n = evbuffer_add_printf(out,
		    ", \"status\": \"%s\", \"mid\": \"%llu\"}", r->word,
		    (unsigned long long)part->mid);
	return n;
}

static int
http_reply_print_several(struct evbuffer *out, const struct http_reply *r)
{
	const struct fanout *f = r->several;
	size_t i;

	if (r->error != NULL)
		evbuffer_add_printf(out,
		    "{\"status\": \"%s\", \"error\": \"%s\", "
		    "\"devices\": [",
		    r->word, r->error);
	else
		evbuffer_add_printf(out, "{\"status\": \"%s\", \"devices\": [",
		    r->word);
	for (i = 0; i < f->to->count; i++) {
		if (i > 0)
			evbuffer_add(out, ", ", 2);
		if (http_reply_print_part(out, &f->to->item[i], &f->part[i]) ==
		    -1)
			return -1;
	}
	return evbuffer_add(out, "]}", 2);
}

int
http_reply_print_json(struct evbuffer *out, const struct http_reply *r,
    const char *id, size_t len)
{
	if (r->several != NULL)
		return http_reply_print_several(out, r);
	if (r->error != NULL)
		return evbuffer_add_printf(out,
		    "{\"status\": \"%s\", \"error\": \"%s\"}", r->word,
		    r->error);
	if (r->mid == 0)
		return evbuffer_add_printf(out, "{\"status\": \"%s\"}",
		    r->word);
	evbuffer_add_printf(out, "{\"status\": \"%s\", ", r->word);
	http_reply_print_device(out, id, len);
	return evbuffer_add_printf(out, ", \"mid\": \"%llu\"}",
	    (unsigned long long)r->mid);
}
