/* SPDX-License-Identifier: ISC */
/*
 * mpush-bench - a load generator for the mpush protocol: options, and which
 * mode to run.  Exit status: 0; 1 when the server lost or mixed up a message
 * or nothing could be measured; 2 on usage.
 */
#include "config.h"

#include <sys/resource.h>

#include <bsd/stdlib.h>
#include <err.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "modes.h"
#include "wire.h"

#define PUBLISHERS_MAX 10000

/* Options with a number, as they stand on the command line. */
struct bench_numbers {
	const char *devices, *publishers, *size, *count, *pid, *seconds, *rate;
};

struct bench_arguments {
	const char *ws, *http, *token, *json;
	struct bench_numbers number;
};

enum bench_option {
	OPTION_WS = 256,
	OPTION_HTTP,
	OPTION_TOKEN,
	OPTION_JSON,
	OPTION_DEVICES,
	OPTION_PUBLISHERS,
	OPTION_SIZE,
	OPTION_COUNT,
	OPTION_PID,
	OPTION_SECONDS,
	OPTION_RATE,
};

static const struct option bench_options[] = {
	{ "ws", required_argument, NULL, OPTION_WS },
	{ "http", required_argument, NULL, OPTION_HTTP },
	{ "token", required_argument, NULL, OPTION_TOKEN },
	{ "json", required_argument, NULL, OPTION_JSON },
	{ "devices", required_argument, NULL, OPTION_DEVICES },
	{ "publishers", required_argument, NULL, OPTION_PUBLISHERS },
	{ "size", required_argument, NULL, OPTION_SIZE },
	{ "count", required_argument, NULL, OPTION_COUNT },
	{ "server-pid", required_argument, NULL, OPTION_PID },
	{ "seconds", required_argument, NULL, OPTION_SECONDS },
	{ "rate", required_argument, NULL, OPTION_RATE },
	{ NULL, 0, NULL, 0 },
};

static _Noreturn void
bench_usage(void)
{
	const struct mode *m;

	fprintf(stderr,
	    "usage: mpush-bench MODE [option...]\n"
	    "  --ws HOST:PORT       WebSockets (127.0.0.1:2245)\n"
	    "  --http HOST:PORT     pushes (127.0.0.1:2246)\n"
	    "  --token TOKEN        what devices send first (token)\n"
	    "  --server-pid PID     measure this process\n"
	    "  --devices N          devices that are logged in\n"
	    "  --publishers N       keep-alive connections (16)\n"
	    "  --size BYTES         of title and content together (100)\n"
	    "  --seconds S          measure that long (5)\n"
	    "  --rate R             pushes/s, mode latency (5000)\n"
	    "  --count N            messages, or registrations\n"
	    "  --json FILE          write the figures there too\n"
	    "modes:\n");
	for (m = mode_table; m->name != NULL; m++)
		fprintf(stderr, "  %-12s %s\n", m->name, m->summary);
	exit(2);
}

/* The place for the value of an option. */
static const char **
bench_option_place(struct bench_arguments *a, int option)
{
	switch (option) {
	case OPTION_WS:
		return &a->ws;
	case OPTION_HTTP:
		return &a->http;
	case OPTION_TOKEN:
		return &a->token;
	case OPTION_JSON:
		return &a->json;
	case OPTION_DEVICES:
		return &a->number.devices;
	case OPTION_PUBLISHERS:
		return &a->number.publishers;
	case OPTION_SIZE:
		return &a->number.size;
	case OPTION_COUNT:
		return &a->number.count;
	case OPTION_PID:
		return &a->number.pid;
	case OPTION_SECONDS:
		return &a->number.seconds;
	case OPTION_RATE:
		return &a->number.rate;
	default:
		bench_usage();
	}
}

static long long
bench_number(const char *name, const char *text, long long lowest,
    long long highest, long long otherwise)
{
	const char *fault;
	long long value;

	if (text == NULL)
		return otherwise;
	value = strtonum(text, lowest, highest, &fault);
	if (fault != NULL)
		errx(2, "--%s %s: %s (%lld to %lld)", name, text, fault, lowest,
		    highest);
	return value;
}

static double
bench_positive(const char *name, const char *text, double otherwise)
{
	double value;
	char *end;

	if (text == NULL)
		return otherwise;
	value = strtod(text, &end);
	if (end == text || *end != '\0' || !(value > 0 && value < 1e7))
		errx(2, "--%s %s: not a positive number", name, text);
	return value;
}

/* Resolve HOST:PORT, the host perhaps in brackets. */
static void
bench_address(struct load_address *address, const char *text)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char host[256];
	const char *port;
	size_t len;
	int fault;

	port = strrchr(text, ':');
	if (port == NULL || (size_t)(port - text) >= sizeof(host))
		errx(2, "%s: not HOST:PORT", text);
	len = (size_t)(port - text);
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']')
		snprintf(host, sizeof(host), "%.*s", (int)len - 2, text + 1);
	else
		snprintf(host, sizeof(host), "%.*s", (int)len, text);
	if ((fault = getaddrinfo(host, port + 1, &hints, &found)) != 0)
		errx(1, "%s: %s", text, gai_strerror(fault));
	memcpy(&address->addr, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	address->text = text;
	freeaddrinfo(found);
}

static void
bench_set_up(struct mode_options *o, const struct mode *mode,
    const struct bench_arguments *a)
{
	const struct bench_numbers *n = &a->number;

	bench_address(&o->target.ws, a->ws);
	bench_address(&o->target.http, a->http);
	o->target.token = a->token;
	o->target.publishers = (size_t)bench_number("publishers", n->publishers,
	    1, PUBLISHERS_MAX, 16);
	o->target.size = (size_t)bench_number("size", n->size, WIRE_SIZE_MIN,
	    WIRE_SIZE_MAX, 100);
	o->pid = (pid_t)bench_number("server-pid", n->pid, 1, INT32_MAX, 0);
	o->devices = (uint32_t)bench_number("devices", n->devices, 1,
	    WIRE_DEVICE_MAX - 1, mode->devices);
	o->count = (uint32_t)bench_number("count", n->count, 1,
	    mode->devices == 0 ? 50000000 : WIRE_DEVICE_MAX, mode->count);
	o->seconds = bench_positive("seconds", n->seconds, 5);
	o->rate = bench_positive("rate", n->rate, 5000);
}

/* Ten thousand devices need as many file descriptors. */
static void
bench_raise_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "getrlimit");
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == -1)
		err(1, "setrlimit");
}

int
main(int argc, char **argv)
{
	struct bench_arguments arguments = { .ws = "127.0.0.1:2245",
		.http = "127.0.0.1:2246",
		.token = "token" };
	struct mode_options options = { 0 };
	struct report report = { 0 };
	const struct mode *mode;
	int option;
	bool sound;

	while (
	    (option = getopt_long(argc, argv, "", bench_options, NULL)) != -1)
		*bench_option_place(&arguments, option) = optarg;
	if (optind != argc - 1 || (mode = mode_find(argv[optind])) == NULL)
		bench_usage();
	bench_set_up(&options, mode, &arguments);
	bench_raise_files();

	report.mode = mode->name;
	sound = mode->run(&options, &report);
	report_print(&report);
	if (arguments.json != NULL)
		report_write_json(&report, arguments.json);
	if (!sound)
		warnx("the server lost, refused or mixed up messages");
	return sound ? 0 : 1;
}
