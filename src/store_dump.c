/* SPDX-License-Identifier: ISC */
#include "config.h"

#include "store_dump.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "message.h"
#include "proto.h"
#include "store_file.h"

#define STORE_DUMP_TIME   40 /* bytes of a printed time */
#define STORE_DUMP_TRIES  1000
#define STORE_DUMP_MISSED (-1)

/* RFC 3339, UTC. */
static const char *
store_dump_time(char out[STORE_DUMP_TIME], uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char date[24];
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0)
		snprintf(out, STORE_DUMP_TIME, "%" PRIu64, ms);
	else
		snprintf(out, STORE_DUMP_TIME, "%s.%03dZ", date,
		    (int)(ms % 1000));
	return out;
}

static void
store_dump_item(void *arg, const struct store_item *item, bool stray)
{
	const struct record *r = &item->record;
	char id[PROTO_ID_MAX * 6], when[STORE_DUMP_TIME];
	bool is_message = r->kind == RECORD_MESSAGE;
	FILE *out = arg;

	if (r->kind == RECORD_HEAD)
		return;
	fprintf(out, "{\"kind\":\"%s\",\"device\":\"",
	    is_message ? "message" : "device");
	fwrite(id, 1, message_escape(id, r->id, r->id_len), out);
	fprintf(out, "\",\"mid\":\"%" PRIu64 "\",\"%s\":\"%s\"", r->mid,
	    is_message ? "accepted" : "seen", store_dump_time(when, r->time));
	if (is_message) {
		fputc(',', out);
		fwrite(r->text, 1, r->text_len, out);
	}
	fprintf(out, "%s}\n", stray ? ",\"stray\":true" : "");
}

static void
store_dump_damage(void *arg, uint64_t offset, const char *what)
{
	FILE *out = arg;

	fprintf(out,
	    "{\"kind\":\"damage\",\"byte\":%" PRIu64 ",\"what\":\"%s\"}\n",
	    offset, what);
}

/*
 * STORE_DUMP_MISSED: two commits went by before the page that leads to the
 * transaction was read, and this was not the LAST try.
 */
static int
store_dump_file(const char *path, int fd, uint64_t txnid, bool last, FILE *out)
{
	struct store_file_hooks hooks = {
		.arg = out,
		.on_item = store_dump_item,
		.on_damage = store_dump_damage,
	};
	struct store_file_look look;
	int error = store_file_walk(fd, txnid, &hooks, &look);

	if (error == ENOENT && !last)
		return STORE_DUMP_MISSED;
	if (error != 0) {
		warnx("%s: %s", path, strerror(error));
		return 1;
	}
	if (fflush(out) == EOF) {
		warn("output");
		return 1;
	}
	return look.damages == 0 ? 0 : 1;
}

/* LMDB keeps the pages of a reader's transaction as they are. */
static int
store_dump_snapshot(MDB_env *env, const char *path, FILE *out)
{
	MDB_txn *txn;
	int rc, fd, status = STORE_DUMP_MISSED, tries;

	rc = mdb_env_get_fd(env, &fd);
	for (tries = 0; rc == 0 && status == STORE_DUMP_MISSED; tries++) {
		rc = mdb_txn_begin(env, NULL, MDB_RDONLY, &txn);
		if (rc != 0)
			break;
		status = store_dump_file(path, fd, mdb_txn_id(txn),
		    tries == STORE_DUMP_TRIES, out);
		mdb_txn_abort(txn);
	}
	if (rc != 0)
		warnx("%s: %s", path, mdb_strerror(rc));
	return rc == 0 ? status : 1;
}

static int
store_dump_live(const char *path, FILE *out)
{
	MDB_env *env;
	int rc, status = 1;

	rc = mdb_env_create(&env);
	if (rc != 0) {
		warnx("%s: %s", path, mdb_strerror(rc));
		return 1;
	}
	rc =
	    mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY, STORE_FILE_MODE);
	if (rc == 0)
		status = store_dump_snapshot(env, path, out);
	else
		warnx("%s: %s", path, mdb_strerror(rc));
	mdb_env_close(env);
	return status;
}

static int
store_dump_idle(const char *path, FILE *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), status;

	if (fd == -1) {
		warn("%s", path);
		return 1;
	}
	status = store_dump_file(path, fd, 0, true, out);
	close(fd);
	return status;
}

int
store_dump(const char *dir, FILE *out)
{
	char *path = store_file_path(dir, STORE_FILE);
	int status;

	status = store_file_holder(dir) != 0 ? store_dump_live(path, out) :
					       store_dump_idle(path, out);
	free(path);
	return status;
}
