/* SPDX-License-Identifier: ISC */
/*
 * report - the figures of one run, in order, printed as a table for people
 * and as one JSON object for programs.
 * Owns: nothing but numbers; names and units are static text.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stddef.h>
#include <stdint.h>

#define REPORT_MAX 64 /* figures */

struct report {
	const char *mode;
	size_t count;
	struct report_figure {
		const char *name; /* as in JSON, unit last: cpu_us */
		double value;     /* NAN: not measured, null in JSON */
	} figure[REPORT_MAX];
};

/* Add a figure; NAME is static text. */
void report_add(struct report *, const char *name, double value);

/* Print the table to standard output. */
void report_print(const struct report *);

/* Write the JSON object to the file PATH.  Ends the program on an error. */
void report_write_json(const struct report *, const char *path);

#endif
