/* SPDX-License-Identifier: ISC */
/*
 * jsontext - where things stand in a JSON text: jansson says what a text
 * means but not on which line.
 * Pure: any thread, no allocation.
 */
#ifndef MPUSHD_JSONTEXT_H
#define MPUSHD_JSONTEXT_H

#include <stddef.h>

/*
 * Overwrite comments (// and # to the end of the line, outside strings) with
 * spaces, in place; lines keep their numbers.
 */
void jsontext_blank_comments(char *, size_t len);

/*
 * The line, from 1, on which element INDEX of the array, or member INDEX of the
 * object, that is the value of the N-th member (from 0) begins, in the valid JSON text of an object; with
 * INDEX -1 the line of the member's key.  Counts from the start of the text.
 */
int jsontext_member_line(const char *, size_t len, size_t n, long index);

#endif
