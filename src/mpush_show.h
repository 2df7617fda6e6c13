/* SPDX-License-Identifier: ISC */
/*
 * mpush_show - a message as lines for a terminal.  Whoever pushes chooses the
 * bytes, so none of them reaches the terminal that could command it.
 * Pure but for the stream that is written to.
 */
#ifndef MPUSHD_MPUSH_SHOW_H
#define MPUSHD_MPUSH_SHOW_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Write LEN bytes of UTF-8: what is not printable (control characters, what
 * turns the direction of writing, bytes that are not UTF-8) as \xHH for each
 * byte.  A newline is followed by INDENT, or escaped when that is NULL; a tab
 * stays.
 */
void mpush_show_text(FILE *, const char *, size_t len, const char *indent);

/* LEN bytes, which need not end in a NUL; none: there is no such field. */
struct mpush_text {
	const char *text;
	size_t len;
};

/* What there is of a message; the texts are the caller's. */
struct mpush_message {
	uint64_t mid;
	struct mpush_text title, content, url, tags;
	int priority; /* 0: none */
};

/*
 * Write a message: a line with the local time of its mid (milliseconds since
 * the epoch) and its title, then, indented, its content and a line for each
 * other field.  A url that the content has is not repeated.
 */
void mpush_show_message(FILE *, const struct mpush_message *);

#endif
