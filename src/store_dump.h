/* SPDX-License-Identifier: ISC */
/*
 * store_dump - what a store on disk holds, for a person in trouble.
 * Thread: the main thread of a process that only does this.
 */
#ifndef MPUSHD_STORE_DUMP_H
#define MPUSHD_STORE_DUMP_H

#include <stdio.h>

/*
 * Print what the store in DIR holds to OUT, a line of JSON for each message,
 * device and damage; a daemon may have it open.  Changes nothing.  Returns 0,
 * or 1 when it is damaged or, after a line on stderr, cannot be read.
 */
int store_dump(const char *dir, FILE *out);

#endif
