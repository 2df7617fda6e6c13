/* SPDX-License-Identifier: ISC */
/*
 * server - the whole daemon: starts the threads in order, serves until a
 * signal says stop, and takes everything down in reverse.
 * Thread: acceptor, which is the main thread.
 */
#ifndef MPUSHD_SERVER_H
#define MPUSHD_SERVER_H

struct conf;
struct conf_source;

struct server_options {
	struct conf *conf;                /* borrowed */
	const struct conf_source *source; /* for SIGHUP; borrowed */
	int verbosity;                    /* -v, counted */
	void (*on_ready)(void *);         /* listening; or NULL */
	void *arg;
};

/* Set the log level that a configuration and -v ask for. */
void server_set_log_level(const struct conf *, int verbosity);

/*
 * Run the daemon.  Returns 0 after SIGTERM or SIGINT, 1 when it could not
 * start, which is logged in one line.
 */
int server_run(const struct server_options *);

#endif
