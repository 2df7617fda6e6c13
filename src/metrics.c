/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "check.h"
#include "clock.h"

/* What one thread has counted. */
struct metrics_set {
	struct metrics_set *next;
	_Atomic uint64_t cell[METRICS_CELLS];
};

struct metrics_pipe {
	char name[32];
	struct channel *channel;
};

static _Atomic(struct metrics_set *) sets;
static _Thread_local struct metrics_set *mine;
static struct metrics_pipe *pipes; /* complete before the threads start */
static size_t pipe_count;
static uint64_t started; /* likewise */

const char *const metrics_shapes[METRICS_SHAPES] = { "none", "alertmanager",
	"grafana", "uptime-kuma", "gotify", "serverchan", "slack", "bark",
	"json" };

/* Upper bounds, in nanoseconds and as they are written in seconds. */
static const struct metrics_bound {
	uint64_t ns;
	const char *text;
} bounds[METRICS_BUCKETS] = {
	{ 500000, "0.0005" },
	{ 1000000, "0.001" },
	{ 2500000, "0.0025" },
	{ 5000000, "0.005" },
	{ 10000000, "0.01" },
	{ 25000000, "0.025" },
	{ 50000000, "0.05" },
	{ 100000000, "0.1" },
	{ 250000000, "0.25" },
	{ 500000000, "0.5" },
	{ 1000000000, "1" },
	{ 2500000000, "2.5" },
	{ 5000000000, "5" },
	{ 10000000000, "10" },
	{ UINT64_MAX, "+Inf" },
};

int
metrics_attach(void)
{
	struct metrics_set *set = calloc(1, sizeof(*set));

	if (set == NULL)
		return -1;
	CHECK(mine == NULL);
	mine = set;
	if (started == 0)
		started = clock_real_ms();
	set->next = atomic_load(&sets);
	while (!atomic_compare_exchange_weak(&sets, &set->next, set))
		;
	return 0;
}

/* There is one writer, so that no atomic addition is needed. */
static void
metrics_add_cell(unsigned int cell, uint64_t n)
{
	_Atomic uint64_t *at = &mine->cell[cell];

	atomic_store_explicit(at,
	    atomic_load_explicit(at, memory_order_relaxed) + n,
	    memory_order_relaxed);
}

void
metrics_add(enum metrics_cell cell, unsigned int i, int64_t n)
{
	if (mine != NULL)
		metrics_add_cell(cell + i, (uint64_t)n);
}

void
metrics_set(enum metrics_cell cell, unsigned int i, uint64_t n)
{
	if (mine != NULL)
		atomic_store_explicit(&mine->cell[cell + i], n,
		    memory_order_relaxed);
}

void
metrics_observe(enum metrics_cell histogram, uint64_t ns)
{
	unsigned int i = 0;

	if (mine == NULL)
		return;
	while (i < METRICS_BUCKETS - 1 && ns > bounds[i].ns)
		i++;
	metrics_add_cell(histogram + i, 1);
	metrics_add_cell(histogram + METRICS_BUCKETS, ns);
}

void
metrics_count_push(enum metrics_answer answer, unsigned int shape)
{
	metrics_add(METRICS_PUSHES, answer * METRICS_SHAPES + shape, 1);
}

void
metrics_count_refusal(enum metrics_why why)
{
	metrics_add(METRICS_REJECTED, why, 1);
}

unsigned int
metrics_shape(const char *name)
{
	unsigned int i;

	for (i = METRICS_SHAPES - 1; i > 0; i--) {
		if (strcmp(metrics_shapes[i], name) == 0)
			break;
	}
	return i;
}

uint64_t
metrics_start_time(void)
{
	return started;
}

uint64_t
metrics_sum(enum metrics_cell cell, unsigned int i)
{
	struct metrics_set *set;
	uint64_t sum = 0;

	for (set = atomic_load(&sets); set != NULL; set = set->next)
		sum += atomic_load_explicit(&set->cell[cell + i],
		    memory_order_relaxed);
	return sum;
}

const char *
metrics_bucket_bound(unsigned int i)
{
	CHECK(i < METRICS_BUCKETS);
	return bounds[i].text;
}

int
metrics_add_pipe(const char *name, struct channel *channel)
{
	struct metrics_pipe *grown;

	grown = reallocarray(pipes, pipe_count + 1, sizeof(*pipes));
	if (grown == NULL)
		return -1;
	pipes = grown;
	CHECK(strlen(name) < sizeof(pipes->name));
	strcpy(pipes[pipe_count].name, name);
	pipes[pipe_count++].channel = channel;
	return 0;
}

const char *
metrics_pipe(size_t i, size_t *depth)
{
	if (i >= pipe_count)
		return NULL;
	*depth = channel_depth(pipes[i].channel);
	return pipes[i].name;
}

void
metrics_reset(void)
{
	struct metrics_set *set, *next;

	for (set = atomic_exchange(&sets, NULL); set != NULL; set = next) {
		next = set->next;
		free(set);
	}
	mine = NULL;
	free(pipes);
	pipes = NULL;
	pipe_count = 0;
}
