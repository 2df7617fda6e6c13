/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "meter.h"

#include <err.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SAMPLES_FIRST 4096

int64_t
meter_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * METER_SECOND + ts.tv_nsec;
}

/*
 * The process's CPU clock rather than /proc: it is exact for a thread that
 * runs at this moment, where /proc lags by up to a tick, and it counts
 * threads that have ended.
 */
int64_t
meter_cpu(pid_t pid)
{
	struct timespec ts;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 ||
	    clock_gettime(clock, &ts) == -1)
		return -1;
	return ts.tv_sec * METER_SECOND + ts.tv_nsec;
}

int64_t
meter_rss(pid_t pid)
{
	char path[64], line[256];
	int64_t kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "re")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %" SCNd64, &kib) == 1)
			break;
	fclose(f);
	return kib == -1 ? -1 : kib * 1024;
}

void
samples_add(struct samples *s, int64_t value)
{
	if (s->count == s->size) {
		s->size = s->size == 0 ? SAMPLES_FIRST : s->size * 2;
		s->value = reallocarray(s->value, s->size, sizeof(*s->value));
		if (s->value == NULL)
			err(1, "samples");
	}
	s->value[s->count++] = value;
}

static int
samples_compare(const void *ap, const void *bp)
{
	const int64_t *a = ap, *b = bp;

	return (*a > *b) - (*a < *b);
}

int64_t
samples_percentile(struct samples *s, double fraction)
{
	size_t rank;

	if (s->count == 0)
		return -1;
	qsort(s->value, s->count, sizeof(*s->value), samples_compare);
	rank = (size_t)ceil(fraction * (double)s->count);
	return s->value[rank == 0 ? 0 : rank - 1];
}

void
samples_clear(struct samples *s)
{
	s->count = 0;
}

void
samples_free(struct samples *s)
{
	free(s->value);
	*s = (struct samples){ 0 };
}
