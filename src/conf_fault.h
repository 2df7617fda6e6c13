/* SPDX-License-Identifier: ISC */
/*
 * conf_fault - the report of what is wrong in a configuration: one line a
 * fault, named by file and line or by the option.
 * Thread: the acceptor.  Owns: nothing, all pointers are the caller's.
 * Limits: CONF_FAULTS_MAX lines.
 */
#ifndef MPUSHD_CONF_FAULT_H
#define MPUSHD_CONF_FAULT_H

#include <stddef.h>
#include <stdio.h>

#define CONF_QUOTE_MAX 64 /* bytes of a peer's text in a fault */

/* All faults of one configuration; all zero but OUT is the start. */
struct conf_faults {
	FILE *out;
	const char *file; /* NULL: there is none */
	const char *text; /* what it holds, comments blanked */
	size_t len;
	unsigned int count;
};

/* Where one key is set. */
struct conf_place {
	struct conf_faults *faults;
	const char *key;
	long member; /* of the file's object; -1: by -o */
};

/* Report a fault at LINE of the file, without naming a key. */
void conf_fault_at_line(struct conf_faults *, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Report a fault at LINE of another file that the configuration names. */
void conf_fault_in_file(struct conf_faults *, const char *file, int line,
    const char *text);

/*
 * Report a fault of the key that is set at a place; INDEX is the element of
 * its list, or -1.
 */
void conf_fault_at(const struct conf_place *, long index, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* As conf_fault_at, when the key itself is the fault. */
void conf_fault_at_key(const struct conf_place *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Copy LEN bytes of text to OUT of CONF_QUOTE_MAX + 4 bytes for use in a
 * fault: control characters become '?', and a long text is cut.  Returns OUT.
 */
const char *conf_fault_quote(char *out, const char *text, size_t len);

#endif
