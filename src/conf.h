/* SPDX-License-Identifier: ISC */
/*
 * conf - the configuration: one JSON object with comments, read into an
 * immutable, reference-counted snapshot that all threads share.
 * Thread: conf_load the acceptor's; the rest any.
 * Limits: a file of CONF_FILE_MAX bytes.
 */
#ifndef MPUSHD_CONF_H
#define MPUSHD_CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONF_FILE_MAX    (16 << 20) /* bytes */
#define CONF_WORKERS_MAX 256
#define CONF_TOKEN_MAX   65536 /* bytes: the largest WebSocket message */
#define CONF_FAULTS_MAX  100   /* lines of one report */
#define CONF_WATCHED_MAX 1000  /* devices with metrics of their own */

struct conf_list {
	char **item; /* NUL-terminated */
	size_t count;
};

struct conf_group;
struct conf_template;
struct hook_severity;
struct watch;

/* See conf_object.h. */
struct conf_groups {
	struct conf_group *item;
	size_t count;
};

/* See hook.h. */
struct conf_severities {
	struct hook_severity *item;
	size_t count;
};

/* See conf_template.h. */
struct conf_templates {
	struct conf_template *item;
	size_t count;
};

/* Times are in milliseconds. */
struct conf {
	struct conf_list token; /* of TOKEN and of TOKEN_FILE */
	char *token_file;       /* NULL: none */
	int64_t ws_port, http_port;
	bool debug;
	struct conf_list registers;
	struct conf_list listen;
	bool listen_is_default;
	int64_t workers;
	int64_t auth_timeout, login_timeout;
	int64_t ack_timeout, resend_interval;
	int64_t max_message; /* bytes */
	int64_t max_webhook; /* bytes */
	int64_t max_queue, max_devices;
	int64_t max_connections;         /* 0: what the fd limit allows */
	char *state_dir;                 /* NULL: memory only */
	int64_t max_store;               /* bytes */
	int64_t message_ttl, device_ttl; /* 0: for ever */
	int64_t dedup_window;            /* 0: none */
	bool collapse;
	struct conf_groups groups;
	struct conf_severities severities;
	struct conf_templates templates;
	struct conf_list metrics_devices;
	struct watch *watch; /* of those; NULL: there are none */
	char *user;          /* NULL: stay who we are */
	char *pidfile;
	atomic_uint refs; /* conf_ref, conf_unref */
};

/* Where a configuration comes from. */
struct conf_source {
	const char *file;      /* NULL: built-in defaults */
	bool optional;         /* the file may be absent */
	bool elsewhere;        /* ask neither for tokens nor for the user */
	char *const *settings; /* KEY=VALUE of each -o, in order */
	size_t setting_count;
	/*
	 * What is wrong with STATE_DIR, in *FAULT, which is freed; NULL: not
	 * asked.
	 */
	void (*check_state_dir)(const char *dir, char **fault);
};

/*
 * Read and check a configuration; writes a line "FILE:LINE: message" (or
 * "-o KEY: message") to FAULTS for each fault, but not more than
 * CONF_FAULTS_MAX and one that says so.  No line has a token in it.  Returns
 * a snapshot with one reference, or NULL when there was a fault.
 */
struct conf *conf_load(const struct conf_source *, FILE *faults);

/*
 * As conf_load, with LEN bytes of TEXT for what the file holds; the file is
 * only named.
 */
struct conf *conf_parse_text(const struct conf_source *, const char *text,
    size_t len, FILE *faults);

/* Take one reference more; returns its argument. */
struct conf *conf_ref(struct conf *);

/* Give one reference back and set *cp to NULL; the last one frees.  NULL is fine. */
void conf_unref(struct conf **cp);

/*
 * True when TOKEN is one of the configuration's; takes the same time for a
 * near miss as for a far one.
 */
bool conf_token_valid(const struct conf *, const char *token, size_t len);

/*
 * The name of the first key that differs and cannot change while the daemon
 * runs, or NULL.
 */
const char *conf_needs_restart(const struct conf *, const struct conf *);

#endif
