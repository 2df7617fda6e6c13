/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <bsd/libutil.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf.h"
#include "log.h"
#include "server.h"
#include "store_dump.h"
#include "store_file.h"

#define MAIN_DUMP      256 /* what getopt_long returns for --dump */
#define MAIN_CONF_FILE MPUSHD_SYSCONFDIR "/mpushd/mpushd.conf"

struct main_options {
	struct conf_source source;
	char **settings;
	char *file; /* absolute: a detached daemon leaves for / */
	bool detach, check, dump;
	int verbosity;
};

/* The half of a detached daemon that the shell waits for. */
struct main_detached {
	struct pidfh *pidfile;
	int ready; /* write end of a pipe; a byte says "ready" */
};

static _Noreturn void
main_usage(void)
{
	fprintf(stderr, "usage: mpushd [-DnVv] [-f file] [-o key=value]...\n"
			"       mpushd --dump [-f file] [-o key=value]...\n");
	exit(2);
}

static void
main_parse(struct main_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "dump", no_argument, NULL, MAIN_DUMP },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	o->settings = calloc((size_t)argc, sizeof(o->settings[0]));
	if (o->settings == NULL)
		err(1, NULL);
	o->source.file = MAIN_CONF_FILE;
	o->source.optional = true;
	o->source.settings = o->settings;
	while ((c = getopt_long(argc, argv, "Df:no:Vv", options, NULL)) != -1) {
		switch (c) {
		case 'D':
			o->detach = true;
			break;
		case 'f':
			o->source.file = optarg;
			o->source.optional = false;
			break;
		case 'n':
			o->check = true;
			break;
		case 'o':
			o->settings[o->source.setting_count++] = optarg;
			break;
		case 'V':
			printf("mpushd %s\n", PACKAGE_VERSION);
			exit(0);
		case 'v':
			o->verbosity++;
			break;
		case MAIN_DUMP:
			o->dump = true;
			break;
		default:
			main_usage();
		}
	}
	if (optind != argc)
		main_usage();
}

/* Take the pid file before the fork, so that the shell hears of a fault. */
static int
main_take_pidfile(struct main_detached *d, const char *path)
{
	pid_t other;

	d->pidfile = pidfile_open(path, 0644, &other);
	if (d->pidfile != NULL)
		return 0;
	if (errno == EEXIST)
		warnx("already running, pid %ld (%s)", (long)other, path);
	else
		warn("%s", path);
	return -1;
}

/* The parent: exits as the child fares. */
static _Noreturn void
main_wait_for_child(int ready)
{
	char byte;
	ssize_t n;

	do
		n = read(ready, &byte, 1);
	while (n == -1 && errno == EINTR);
	_exit(n == 1 ? 0 : 1);
}

static int
main_detach(struct main_detached *d, const char *pidfile)
{
	int fds[2];

	if (main_take_pidfile(d, pidfile) == -1)
		return -1;
	if (pipe2(fds, O_CLOEXEC) == -1) {
		warn("pipe");
		return -1;
	}
	switch (fork()) {
	case -1:
		warn("fork");
		return -1;
	case 0:
		break;
	default:
		close(fds[1]);
		main_wait_for_child(fds[0]);
	}
	close(fds[0]);
	d->ready = fds[1];
	(void)setsid();
	if (chdir("/") == -1)
		warn("chdir");
	return pidfile_write(d->pidfile);
}

/* Listening: from here on nobody reads stderr. */
static void
main_on_ready(void *arg)
{
	struct main_detached *d = arg;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_open(LOG_TO_SYSLOG);
	if (write(d->ready, "", 1) != 1)
		log_warn("start: nobody waits for us to be ready");
	close(d->ready);
	if (null == -1)
		return;
	(void)dup2(null, STDIN_FILENO);
	(void)dup2(null, STDOUT_FILENO);
	(void)dup2(null, STDERR_FILENO);
	close(null);
}

static int
main_run(struct main_options *o, struct conf *conf)
{
	struct main_detached detached = { .ready = -1 };
	struct server_options server = {
		.conf = conf,
		.source = &o->source,
		.verbosity = o->verbosity,
	};
	int status;

	server_set_log_level(conf, o->verbosity);
	log_open(LOG_TO_STDERR);
	if (o->detach) {
		o->file = realpath(o->source.file, NULL);
		if (o->file != NULL)
			o->source.file = o->file;
		if (main_detach(&detached, conf->pidfile) == -1)
			return 1;
		server.on_ready = main_on_ready;
		server.arg = &detached;
	}
	status = server_run(&server);
	if (detached.pidfile != NULL) {
		/* The user that we are now may not remove it from there. */
		if (ftruncate(pidfile_fileno(detached.pidfile), 0) == -1)
			log_warn("%s: %s", conf->pidfile, strerror(errno));
		pidfile_remove(detached.pidfile);
	}
	return status;
}

static bool
main_same_file(FILE *a, FILE *b)
{
	struct stat sa, sb;

	return fstat(fileno(a), &sa) == 0 && fstat(fileno(b), &sb) == 0 &&
	       sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/*
 * Faults are for stderr; a check prints them on stdout too, for a program
 * that reads them, but not twice on a terminal.
 */
static struct conf *
main_load_and_report(const struct main_options *o)
{
	char *text = NULL;
	size_t size;
	FILE *faults = open_memstream(&text, &size);
	struct conf *conf;

	if (faults == NULL)
		err(1, NULL);
	conf = conf_load(&o->source, faults);
	fclose(faults);
	fputs(text, stderr);
	if (o->check && !main_same_file(stdout, stderr))
		fputs(text, stdout);
	free(text);
	return conf;
}

static int
main_dump(const struct conf *conf)
{
	if (conf->state_dir == NULL)
		errx(1, "STATE_DIR is not set: nothing is kept on disk");
	return store_dump(conf->state_dir, stdout);
}

int
main(int argc, char **argv)
{
	struct main_options o = { .detach = false };
	struct conf *conf;
	int status = 1;

	main_parse(&o, argc, argv);
	if (o.check)
		o.source.check_state_dir = store_file_check;
	conf = main_load_and_report(&o);
	if (conf != NULL && o.check)
		status = 0;
	else if (conf != NULL)
		status = o.dump ? main_dump(conf) : main_run(&o, conf);
	conf_unref(&conf);
	free(o.settings);
	free(o.file);
	return status;
}
