/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "activation.h"
#include "conf.h"
#include "log.h"

#define LISTEN_UNIX      "unix:"
#define LISTEN_TRIES     16 /* for one free port on all addresses */
/* A peer that is gone without a word is found in about two minutes. */
#define LISTEN_KEEPIDLE  60 /* seconds */
#define LISTEN_KEEPINTVL 15 /* seconds */
#define LISTEN_KEEPCNT   4

struct listen_address {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* The sockets of one listen_open in the making. */
struct listen_set {
	struct listener *items;
	size_t count;
	bool lenient; /* an address may be missing */
};

static int
listen_set_options(int fd, int family)
{
	static const struct {
		int level, name, value;
	} options[] = {
		{ SOL_SOCKET, SO_REUSEADDR, 1 },
		/* All of these pass on to what is accepted. */
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, LISTEN_KEEPIDLE },
		{ IPPROTO_TCP, TCP_KEEPINTVL, LISTEN_KEEPINTVL },
		{ IPPROTO_TCP, TCP_KEEPCNT, LISTEN_KEEPCNT },
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
	};
	size_t i;

	if (family == AF_UNIX)
		return 0;
	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (setsockopt(fd, options[i].level, options[i].name,
			&options[i].value, sizeof(int)) == -1)
			return -1;
	}
	return 0;
}

/* Else "::" would be 0.0.0.0 too. */
static int
listen_set_v6only(int fd, int family)
{
	int on = 1;

	if (family != AF_INET6)
		return 0;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

/* A bound, listening socket, or -1 with errno. */
static int
listen_socket(const struct listen_address *a)
{
	int fd, error;

	fd = socket(a->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
	    0);
	if (fd == -1)
		return -1;
	if (listen_set_options(fd, a->ss.ss_family) == -1 ||
	    listen_set_v6only(fd, a->ss.ss_family) == -1 ||
	    bind(fd, (const struct sockaddr *)&a->ss, a->len) == -1 ||
	    listen(fd, SOMAXCONN) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

static int
listen_add(struct listen_set *set, const struct listener *l)
{
	struct listener *items;

	items = reallocarray(set->items, set->count + 1, sizeof(items[0]));
	if (items == NULL || l->address == NULL) {
		log_err("listen: no memory");
		return -1;
	}
	set->items = items;
	items[set->count++] = *l;
	return 0;
}

static int
listen_parse(const char *text, int port, struct listen_address *a)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->ss;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->ss;
	char bare[INET6_ADDRSTRLEN];

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		a->len = sizeof(*in);
		return 0;
	}
	snprintf(bare, sizeof(bare), "%s", text + (text[0] == '['));
	bare[strcspn(bare, "]")] = '\0';
	if (inet_pton(AF_INET6, bare, &in6->sin6_addr) != 1)
		return -1;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	a->len = sizeof(*in6);
	return 0;
}

/* The address as it stands in a URL, or the path. */
static char *
listen_print(const struct listen_address *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->ss;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&a->ss;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->ss;
	char text[INET6_ADDRSTRLEN], *out;

	if (a->ss.ss_family == AF_UNIX)
		return strndup(un->sun_path, sizeof(un->sun_path));
	if (a->ss.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
		return strdup(text);
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	return asprintf(&out, "[%s]", text) == -1 ? NULL : out;
}

static int
listen_port_of(int fd)
{
	struct listen_address a;

	a.len = sizeof(a.ss);
	if (getsockname(fd, (struct sockaddr *)&a.ss, &a.len) == -1)
		return 0;
	if (a.ss.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *)&a.ss)->sin_port);
	return ntohs(((struct sockaddr_in6 *)&a.ss)->sin6_port);
}

/* What makes a default address one that this machine does not have. */
static bool
listen_is_missing(int error)
{
	return error == EADDRNOTAVAIL || error == EAFNOSUPPORT ||
	       error == EPROTONOSUPPORT;
}

/*
 * Open one address on *PORT, which becomes the real one when it was 0.
 * Returns 0, or -1 with errno, which is 0 when the fault has been logged.
 */
static int
listen_open_one(struct listen_set *set, const char *text, int *port,
    const struct listener *proto)
{
	struct listener l = *proto;
	struct listen_address a;

	if (listen_parse(text, *port, &a) == -1) {
		errno = EINVAL;
		return -1;
	}
	l.fd = listen_socket(&a);
	if (l.fd == -1)
		return -1;
	l.port = *port = listen_port_of(l.fd);
	l.address = listen_print(&a);
	if (listen_add(set, &l) == -1) {
		close(l.fd);
		free(l.address);
		errno = 0;
		return -1;
	}
	return 0;
}

static void
listen_drop_from(struct listen_set *set, size_t from)
{
	while (set->count > from) {
		set->count--;
		close(set->items[set->count].fd);
		free(set->items[set->count].address);
	}
}

/* Open one address, or leave it out when that is allowed. */
static int
listen_try_one(struct listen_set *set, const char *text, int *port,
    bool optional, const struct listener *proto)
{
	if (listen_open_one(set, text, port, proto) == 0)
		return 0;
	if (optional && listen_is_missing(errno)) {
		log_notice("listen[%s]: not on this machine, left out", text);
		return 0;
	}
	return -1;
}

/* All addresses on one port; -1 with the address at fault in *WHO. */
static int
listen_try_port(struct listen_set *set, const struct conf *conf, int port,
    const struct listener *proto, const char **who)
{
	size_t i;

	for (i = 0; i < conf->listen.count; i++) {
		*who = conf->listen.item[i];
		if (strncmp(*who, LISTEN_UNIX, strlen(LISTEN_UNIX)) == 0)
			continue;
		if (strcmp(*who, "*") != 0) {
			if (listen_try_one(set, *who, &port, set->lenient,
				proto) == -1)
				return -1;
			continue;
		}
		if (listen_try_one(set, "0.0.0.0", &port, true, proto) == -1 ||
		    listen_try_one(set, "::", &port, true, proto) == -1)
			return -1;
	}
	return 0;
}

static int
listen_open_port(struct listen_set *set, const struct conf *conf, int port,
    const struct listener *proto)
{
	size_t from = set->count;
	const char *who = "";
	int i;

	for (i = 0; i < LISTEN_TRIES; i++) {
		if (listen_try_port(set, conf, port, proto, &who) == 0)
			return 0;
		/* A free port of one address may be taken on another. */
		if (port != 0 || errno != EADDRINUSE)
			break;
		listen_drop_from(set, from);
	}
	if (errno != 0)
		log_err("listen[%s]: port %d: %s", who, port, strerror(errno));
	return -1;
}

/* A socket file that nobody listens on any more is in the way. */
static int
listen_clear_file(const struct listen_address *a)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->ss;
	struct stat st;
	int fd, alive;

	if (lstat(un->sun_path, &st) == -1 || !S_ISSOCK(st.st_mode))
		return 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	alive = connect(fd, (const struct sockaddr *)un, a->len) == 0 ||
		errno != ECONNREFUSED;
	close(fd);
	if (alive) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(un->sun_path);
}

static int
listen_open_file(struct listen_set *set, const char *path)
{
	struct listen_address a = { .len = sizeof(struct sockaddr_un) };
	struct sockaddr_un *un = (struct sockaddr_un *)&a.ss;
	struct listener l = { .fd = -1, .http = true, .file = true };

	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof(un->sun_path), "%s", path);
	if (listen_clear_file(&a) == 0)
		l.fd = listen_socket(&a);
	/* As open as the loopback address: a reverse proxy has its own user. */
	if (l.fd == -1 || chmod(path, 0666) == -1) {
		log_err("listen[" LISTEN_UNIX "%s]: %s", path, strerror(errno));
		if (l.fd != -1)
			close(l.fd);
		return -1;
	}
	l.address = strdup(path);
	return listen_add(set, &l);
}

static int
listen_open_files(struct listen_set *set, const struct conf *conf)
{
	const char *text;
	size_t i;

	for (i = 0; i < conf->listen.count; i++) {
		text = conf->listen.item[i];
		if (strncmp(text, LISTEN_UNIX, strlen(LISTEN_UNIX)) == 0 &&
		    listen_open_file(set, text + strlen(LISTEN_UNIX)) == -1)
			return -1;
	}
	return 0;
}

/* True for a stream socket that listens, of a family that we know. */
static bool
listen_is_fit(int fd, const struct listen_address *a)
{
	int type, listens;
	socklen_t len = sizeof(int);

	if (a->ss.ss_family != AF_INET && a->ss.ss_family != AF_INET6 &&
	    a->ss.ss_family != AF_UNIX)
		return false;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_STREAM &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 &&
	       listens;
}

/* Take the I-th socket that the service manager has passed. */
static int
listen_take(struct listen_set *set, size_t i)
{
	struct listener l = { .fd = ACTIVATION_FIRST + (int)i };
	struct listen_address a = { .len = sizeof(a.ss) };

	if (getsockname(l.fd, (struct sockaddr *)&a.ss, &a.len) == -1 ||
	    !listen_is_fit(l.fd, &a)) {
		log_err("listen: descriptor %d, which LISTEN_FDS passes, is "
			"no socket that listens",
		    l.fd);
		return -1;
	}
	if (fcntl(l.fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(l.fd, F_SETFL, O_NONBLOCK) == -1 ||
	    listen_set_options(l.fd, a.ss.ss_family) == -1) {
		log_err("listen: descriptor %d: %s", l.fd, strerror(errno));
		return -1;
	}
	l.passed = true;
	l.file = a.ss.ss_family == AF_UNIX;
	l.port = l.file ? 0 : listen_port_of(l.fd);
	l.ws = !activation_is_named(i, "http");
	l.http = !activation_is_named(i, "ws");
	l.address = listen_print(&a);
	return listen_add(set, &l);
}

/* Returns how many were passed, 0 when none was, or -1. */
static int
listen_take_passed(struct listen_set *set)
{
	int i, count = activation_count();

	if (count == -1)
		log_err("listen: LISTEN_FDS: %s", strerror(errno));
	for (i = 0; i < count; i++) {
		if (listen_take(set, (size_t)i) == -1)
			return -1;
	}
	return count;
}

size_t
listen_open(const struct conf *conf, struct listener **out)
{
	struct listen_set set = { .lenient = conf->listen_is_default };
	bool one = conf->ws_port == conf->http_port && conf->ws_port != 0;
	struct listener ws = { .fd = -1, .ws = true, .http = one };
	struct listener http = { .fd = -1, .http = true };
	int passed = listen_take_passed(&set);

	if (passed == -1) {
		listen_close(&set.items, set.count);
		return 0;
	}
	if (passed > 0) {
		*out = set.items;
		return set.count;
	}
	if (listen_open_port(&set, conf, (int)conf->ws_port, &ws) == -1 ||
	    (!one && listen_open_port(&set, conf, (int)conf->http_port,
			 &http) == -1) ||
	    listen_open_files(&set, conf) == -1) {
		listen_close(&set.items, set.count);
		return 0;
	}
	if (set.count == 0)
		log_err("listen: none of the addresses is on this machine");
	*out = set.items;
	return set.count;
}

void
listen_shut(struct listener *l, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (l[i].passed)
			continue;
		(void)shutdown(l[i].fd, SHUT_RDWR);
		if (l[i].file)
			(void)unlink(l[i].address);
	}
}

void
listen_close(struct listener **lp, size_t count)
{
	struct listener *l = *lp;
	size_t i;

	for (i = 0; i < count; i++) {
		close(l[i].fd);
		free(l[i].address);
	}
	free(l);
	*lp = NULL;
}

void
listen_announce(const struct listener *l, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (l[i].file) {
			log_info("listening on " LISTEN_UNIX "%s",
			    l[i].address);
			continue;
		}
		if (l[i].ws)
			log_info("listening on ws://%s:%d", l[i].address,
			    l[i].port);
		if (l[i].http)
			log_info("listening on http://%s:%d", l[i].address,
			    l[i].port);
	}
}
