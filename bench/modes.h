/* SPDX-License-Identifier: ISC */
/*
 * modes - what can be measured: each mode is one experiment against a
 * running server, and leaves its figures in a report.
 */
#ifndef BENCH_MODES_H
#define BENCH_MODES_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "report.h"

struct mode_options {
	struct load_target target;
	pid_t pid;        /* of the server; 0: unknown */
	uint32_t devices; /* logged in */
	uint32_t count;   /* messages or registrations */
	double seconds;
	double rate; /* pushes/s */
};

struct mode {
	const char *name, *summary;
	uint32_t devices, count; /* defaults */

	/* Measure; false when the server lost or mixed up a message. */
	bool (*run)(const struct mode_options *, struct report *);
};

/* All modes; the last has no name. */
extern const struct mode mode_table[];

/* The mode of that name, or NULL. */
const struct mode *mode_find(const char *name);

#endif
