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

/*
 * Write a message: a line with the local time of MID (milliseconds since the
 * epoch) and the title, then the content, indented.
 */
void mpush_show_message(FILE *, uint64_t mid, const char *title,
    size_t title_len, const char *content, size_t content_len);

#endif
