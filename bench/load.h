/* SPDX-License-Identifier: ISC */
/*
 * load - devices that confirm at once and publishers on keep-alive
 * connections, all in one epoll loop.
 * Thread: one.  Owns: the connections, the ledger, the latency samples.
 * Limits: LOAD_BUF bytes of one frame or answer.
 *
 * Reads never wait; writes do, for LOAD_SEND_TIMEOUT seconds at most, which
 * a server that reads its sockets never lets happen.  A server that breaks
 * the protocol, closes a connection or falls silent ends the program: there
 * is nothing left to measure then.
 */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <sys/socket.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ledger.h"
#include "meter.h"

#define LOAD_BUF          (4 << 20)
#define LOAD_SEND_TIMEOUT 10 /* seconds */
#define LOAD_SILENCE      (15 * METER_SECOND)

struct load_address {
	struct sockaddr_storage addr;
	socklen_t len;
	const char *text; /* HOST:PORT, also for Host: */
};

struct load_target {
	struct load_address ws, http;
	const char *token;
	size_t publishers;
	size_t size; /* bytes of title and content */
};

/* What to push. */
struct load_plan {
	uint32_t first, count; /* devices to push to, in turn */
	uint64_t pushes;       /* this many; 0: until TIME is over */
	int64_t time;          /* ns */
	double rate;           /* pushes/s; 0: as answers come in */
};

/* What came of it. */
struct load_result {
	uint64_t pushes; /* answered */
	int64_t own_cpu; /* ns, of the load generator */
};

struct load;

/*
 * Connect the publishers and make room for devices numbered below
 * DEVICE_MAX; TARGET must outlive the load.
 */
struct load *load_new(const struct load_target *target, size_t device_max);

/* Close and free all, set *lp to NULL. */
void load_free(struct load **lp);

/* Log COUNT devices in, from number FIRST; returns when all are. */
void load_login(struct load *, uint32_t first, uint32_t count);

/* Disconnect COUNT devices, as a phone does that loses its network. */
void load_logout(struct load *, uint32_t first, uint32_t count);

/* Log COUNT devices in and disconnect each as soon as it is. */
void load_register(struct load *, uint32_t first, uint32_t count);

/* Push as planned; returns when every push is answered. */
void load_run(struct load *, const struct load_plan *, struct load_result *);

/*
 * Wait until every accepted push has been received, TIMEOUT ns at most.
 * What then is still missing in the ledger is lost.
 */
void load_settle(struct load *, int64_t timeout);

/*
 * Begin a new account: ledger, samples and faults start from nothing; what
 * was pushed before and still waits is not expected any more.
 */
void load_reset(struct load *);

/* The account; the load keeps it. */
struct ledger *load_ledger(struct load *);

/* Latencies from the intended time of sending, in ns; the load keeps them. */
struct samples *load_received(struct load *); /* to the device */
struct samples *load_answered(struct load *); /* to the publisher */

/* First copies that came in another order than that of their mids. */
uint64_t load_misordered(const struct load *);

/* Messages of an earlier run; they are confirmed and else ignored. */
uint64_t load_foreign(const struct load *);

#endif
