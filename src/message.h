/* SPDX-License-Identifier: ISC */
/*
 * message - one pushed message: immutable, reference-counted, its title and
 * content escaped as JSON once, when it is made.
 * Thread: any; the count is atomic, all else never changes.
 */
#ifndef MPUSHD_MESSAGE_H
#define MPUSHD_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct message;

/*
 * Make a message from a title and a content, both valid UTF-8 without U+0000
 * (utf8_clean).  TIME is when the request was accepted, in milliseconds since
 * the epoch.  Returns it with one reference, or NULL when memory is short.
 */
struct message *message_new(const char *title, size_t title_len,
    const char *content, size_t content_len, uint64_t time);

/* What a message says; all texts are as message_new wants them. */
struct message_parts {
	const char *title, *content, *url, *tags; /* the last two may be NULL */
	size_t title_len, content_len, url_len, tags_len;
	int priority;      /* 1 to 5; 0: none */
	uint64_t collapse; /* hash of its collapse key; 0: none */
};

/*
 * As message_new, with what is beyond title and content: it is in the text only
 * if it is set.
 */
struct message *message_make(const struct message_parts *, uint64_t time);

/*
 * Make a message again from what message_text, message_time and
 * message_collapse said of it.  NULL when memory is short.
 */
struct message *
message_restore(const char *text, size_t len, uint64_t time, uint64_t collapse);

/* Take one reference more; returns its argument. */
struct message *message_ref(struct message *);

/* Give one reference back and set *mp to NULL; the last one frees.  NULL is fine. */
void message_unref(struct message **mp);

/*
 * The text between the braces of the message on the wire, without the mid:
 * "title":"...","content":"..." and then, if they are set, "priority":3,
 * "url":"..." and "tags":"..."; *LEN is its length, no NUL follows.
 * Lives as long as the message.
 */
const char *message_text(const struct message *, size_t *len);

/* When its request was accepted: milliseconds since the epoch. */
uint64_t message_time(const struct message *);

/* 1 to 5, or 0 for none. */
int message_priority(const struct message *);

/*
 * The hash of its collapse key: a later message of the same one replaces it
 * until the device has it.  0: nothing does.
 */
uint64_t message_collapse(const struct message *);

/*
 * Escape LEN bytes of UTF-8 as the inside of a JSON string (RFC 8259 7): only
 * the quote, the backslash and what lies below U+0020.  DST has room for
 * 6 * LEN bytes.  Returns the bytes written.  With DST NULL only counts.
 */
size_t message_escape(char *dst, const char *src, size_t len);

#endif
