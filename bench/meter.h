/* SPDX-License-Identifier: ISC */
/*
 * meter - what a measurement reads: the clock, the CPU time and the memory
 * of a process, and percentiles of samples.
 * Thread: the only one of a load generator.
 */
#ifndef BENCH_METER_H
#define BENCH_METER_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#define METER_SECOND INT64_C(1000000000) /* in nanoseconds */

/* Nanoseconds of the monotonic clock. */
int64_t meter_now(void);

/*
 * Nanoseconds of CPU time that all threads of process PID have used so far,
 * ended threads among them; PID 0 is the caller.  -1 when it cannot be read.
 */
int64_t meter_cpu(pid_t pid);

/* Resident memory of process PID in bytes (VmRSS); -1 when unreadable. */
int64_t meter_rss(pid_t pid);

/* A growing set of measured values.  Start from a zeroed one. */
struct samples {
	int64_t *value;
	size_t count, size;
};

/* Add one value; ends the program when memory is out. */
void samples_add(struct samples *, int64_t value);

/*
 * The smallest value that at least FRACTION (0 to 1) of all do not exceed;
 * -1 when there are none.  Sorts the set.
 */
int64_t samples_percentile(struct samples *, double fraction);

/* Forget all values, keep the room. */
void samples_clear(struct samples *);

/* Free the room; leaves a set that can be used again. */
void samples_free(struct samples *);

#endif
