/* SPDX-License-Identifier: ISC */
/*
 * test_outbox - the outbox against a plain array that never forgets an entry.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "message.h"
#include "outbox.h"

#define MODEL_MAX 40000 /* entries ever put */

/* Entry by entry what the outbox should know; it holds its own reference. */
struct model_entry {
	struct message *message; /* NULL: confirmed */
	uint64_t mid;
	uint32_t sent_at;
	uint8_t attempts;
	bool sent;
};

struct model {
	struct outbox box;
	size_t count, live;
	struct model_entry entry[MODEL_MAX];
};

static struct model model;
static uint64_t seed;

static uint64_t
random_below(uint64_t n)
{
	uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (z ^ (z >> 31)) % n;
}

static struct message *
make_message(void)
{
	struct message *m = message_new("t", 1, "c", 1, 1);

	assert_non_null(m);
	return m;
}

/* What else an entry carries must travel with it; it is made of its mid. */
static struct waiter *
waiter_of(uint64_t mid)
{
	return (struct waiter *)(uintptr_t)(mid * 16);
}

static void
model_put(struct model *m)
{
	struct message *message = make_message();
	struct model_entry *me = &m->entry[m->count];
	struct outbox_entry *e;

	assert_true(m->count < MODEL_MAX);
	me->message = message_ref(message);
	me->mid = m->count == 0 ? 5 : me[-1].mid + 1 + random_below(3);
	me->sent_at = (uint32_t)random_below(UINT32_MAX);
	me->attempts = 0;
	me->sent = false;
	e = outbox_put(&m->box, &message, me->mid, m->live + 1);
	assert_non_null(e);
	assert_null(message);
	assert_ptr_equal(e->message, me->message);
	assert_true(e->mid == me->mid);
	assert_null(e->waiter);
	assert_int_equal(e->attempts, 0);
	e->waiter = waiter_of(me->mid);
	e->sent_at = me->sent_at;
	m->count++;
	m->live++;
}

static void
model_put_full(struct model *m)
{
	struct message *message = make_message(), *same = message;

	errno = 0;
	assert_null(outbox_put(&m->box, &message, UINT64_MAX, m->live));
	assert_int_equal(errno, ENOBUFS);
	assert_ptr_equal(message, same);
	message_unref(&message);
}

static struct outbox_entry *
model_check_entry(struct model *m, size_t i)
{
	const struct model_entry *me = &m->entry[i];
	struct outbox_entry *e = outbox_find(&m->box, me->mid);

	if (me->message == NULL) {
		assert_null(e);
		return NULL;
	}
	assert_non_null(e);
	assert_true(e->mid == me->mid);
	assert_ptr_equal(e->message, me->message);
	assert_ptr_equal(e->waiter, waiter_of(me->mid));
	assert_int_equal(e->sent_at, me->sent_at);
	assert_int_equal(e->attempts, me->attempts);
	assert_int_equal(outbox_was_sent(&m->box, e) != 0, me->sent);
	return e;
}

static void
model_confirm_at(struct model *m, size_t i)
{
	struct outbox_entry *e = model_check_entry(m, i);

	if (e == NULL)
		return;
	outbox_confirm(&m->box, e);
	message_unref(&m->entry[i].message);
	m->live--;
	assert_null(outbox_find(&m->box, m->entry[i].mid));
}

static void
model_send(struct model *m)
{
	struct outbox_entry *e = outbox_unsent(&m->box);
	size_t i;

	for (i = 0; i < m->count; i++) {
		if (m->entry[i].message != NULL && !m->entry[i].sent)
			break;
	}
	if (i == m->count) {
		assert_null(e);
		return;
	}
	assert_non_null(e);
	assert_true(e->mid == m->entry[i].mid);
	assert_ptr_equal(outbox_unsent(&m->box), e);
	outbox_advance(&m->box);
	m->entry[i].sent = true;
	e->attempts = m->entry[i].attempts = (uint8_t)random_below(20);
}

static void
model_rewind(struct model *m)
{
	size_t i;

	outbox_rewind(&m->box);
	for (i = 0; i < m->count; i++) {
		if (m->entry[i].sent)
			m->entry[i].attempts = 0;
		m->entry[i].sent = false;
	}
}

/* The walk over what went out must meet each such entry once, in order. */
static void
model_check_walk(struct model *m)
{
	const struct outbox_entry *e;
	size_t i = 0, walked;

	for (walked = 0; walked < m->box.sent; walked++) {
		e = outbox_sent_at(&m->box, (uint32_t)walked);
		if (e == NULL)
			continue;
		while (i < m->count &&
		       (m->entry[i].message == NULL || !m->entry[i].sent))
			i++;
		assert_true(i < m->count);
		assert_true(e->mid == m->entry[i].mid);
		i++;
	}
	for (; i < m->count; i++)
		assert_false(m->entry[i].sent && m->entry[i].message != NULL);
}

static void
model_check(struct model *m)
{
	uint64_t absent;
	size_t i;

	assert_int_equal(m->box.live, m->live);
	assert_true(m->box.count >= m->box.live);
	assert_true(m->box.sent <= m->box.count);
	assert_true(m->box.count <= m->box.size);
	for (i = 0; i < m->count; i++) {
		(void)model_check_entry(m, i);
		absent = m->entry[i].mid + 1;
		if (i + 1 == m->count || m->entry[i + 1].mid != absent)
			assert_null(outbox_find(&m->box, absent));
	}
	assert_null(outbox_find(&m->box, 0));
	assert_null(outbox_find(&m->box, UINT64_MAX));
	model_check_walk(m);
}

static void
model_done(struct model *m)
{
	size_t i;

	outbox_done(&m->box);
	assert_null(m->box.ring);
	assert_int_equal(m->box.live, 0);
	for (i = 0; i < m->count; i++)
		message_unref(&m->entry[i].message);
	memset(m, 0, sizeof(*m));
}

/* How likely each operation is in a phase, of 100; the rest are rewinds. */
struct phase {
	unsigned int put, send, confirm_any, confirm_oldest, full;
	size_t rounds;
};

static size_t
model_oldest(const struct model *m)
{
	size_t i = 0;

	while (i < m->count && m->entry[i].message == NULL)
		i++;
	return i;
}

static void
model_operation(struct model *m, const struct phase *p)
{
	uint64_t dice = random_below(100), upto = p->put;
	size_t oldest = model_oldest(m);

	if (dice < upto)
		model_put(m);
	else if (dice < (upto += p->send))
		model_send(m);
	else if (dice < (upto += p->confirm_any) && oldest < m->count)
		model_confirm_at(m, oldest + random_below(m->count - oldest));
	else if (dice < (upto += p->confirm_oldest) && oldest < m->count)
		model_confirm_at(m, oldest);
	else if (dice < upto + p->full)
		model_put_full(m);
	else if (oldest < m->count)
		model_rewind(m);
}

static void
model_phase(struct model *m, const struct phase *p)
{
	size_t i;

	for (i = 0; i < p->rounds; i++) {
		model_operation(m, p);
		if (i % 97 == 0)
			model_check(m);
	}
	model_check(m);
}

static void
test_against_model(void **state)
{
	static const struct phase phases[] = {
		{ 30, 30, 20, 15, 3, 2000 }, /* short queues */
		{ 80, 10, 5, 0, 4, 1500 },   /* fill */
		{ 2, 20, 60, 10, 1, 4000 },  /* empty in any order */
		{ 85, 10, 0, 0, 4, 1000 },   /* fill again */
		{ 1, 20, 0, 77, 1, 2500 },   /* empty in order */
		{ 45, 30, 24, 0, 1, 2000 },
		{ 0, 50, 49, 0, 0, 3000 },
	};
	size_t i, run;

	(void)state;
	for (run = 0; run < 4; run++) {
		seed = run;
		for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
			model_phase(&model, &phases[i]);
		model_done(&model);
	}
}

/* One message stays unconfirmed while thousands behind it come and go. */
static void
test_stuck_head(void **state)
{
	size_t i;

	(void)state;
	seed = 99;
	model_put(&model);
	for (i = 1; i < 5000; i++) {
		model_put(&model);
		model_send(&model);
		if (i > 10)
			model_confirm_at(&model, i - 9);
	}
	model_check(&model);
	/* The holes take no room for ever. */
	assert_true(model.box.size <= 64);
	for (i = 0; i < 5000; i++)
		model_confirm_at(&model, i);
	assert_int_equal(model.box.count, 0);
	model_done(&model);
}

static void
test_empty(void **state)
{
	struct outbox ob;

	(void)state;
	memset(&ob, 0, sizeof(ob));
	assert_null(outbox_find(&ob, 1));
	assert_null(outbox_unsent(&ob));
	outbox_rewind(&ob);
	outbox_done(&ob);
	outbox_done(&ob);
}

static void
test_limit(void **state)
{
	struct message *m = make_message(), *same = m;
	struct outbox_entry *e;
	struct outbox ob;

	(void)state;
	memset(&ob, 0, sizeof(ob));
	assert_null(outbox_put(&ob, &m, 1, 0));
	assert_int_equal(errno, ENOBUFS);
	assert_ptr_equal(m, same);
	e = outbox_put(&ob, &m, 1, 1);
	assert_non_null(e);
	m = make_message();
	assert_null(outbox_put(&ob, &m, 2, 1));
	/* Room that a confirmation has made is room again. */
	outbox_confirm(&ob, e);
	assert_non_null(outbox_put(&ob, &m, 2, 1));
	outbox_done(&ob);
}

/* An emptied box gives its large ring back. */
static void
test_shrinks(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 3000; i++)
		model_put(&model);
	for (i = 0; i < 3000; i++)
		model_confirm_at(&model, i);
	assert_true(model.box.size <= 16);
	for (i = 0; i < 10; i++)
		model_put(&model);
	model_check(&model);
	model_done(&model);
}

/* Run FN on a box of three in a child: it must die of a broken invariant. */
static void
expect_abort(void (*fn)(struct outbox *))
{
	struct outbox ob;
	int status;
	pid_t pid;

	pid = fork();
	assert_true(pid != -1);
	if (pid == 0) {
		struct message *m;
		uint64_t mid;

		memset(&ob, 0, sizeof(ob));
		for (mid = 1; mid <= 3; mid++) {
			m = message_new("t", 1, "c", 1, 1);
			(void)outbox_put(&ob, &m, mid, 3);
		}
		close(STDERR_FILENO);
		fn(&ob);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
put_same_mid(struct outbox *ob)
{
	struct message *m = message_new("t", 1, "c", 1, 1);

	(void)outbox_put(ob, &m, 3, 10);
}

static void
advance_past_end(struct outbox *ob)
{
	int i;

	for (i = 0; i < 4; i++)
		outbox_advance(ob);
}

static void
confirm_twice(struct outbox *ob)
{
	struct outbox_entry *e = outbox_find(ob, 2);

	outbox_confirm(ob, e);
	outbox_confirm(ob, e);
}

static void
look_past_sent(struct outbox *ob)
{
	outbox_advance(ob);
	(void)outbox_sent_at(ob, 1);
}

static void
test_invariants(void **state)
{
	(void)state;
	expect_abort(put_same_mid);
	expect_abort(advance_past_end);
	expect_abort(confirm_twice);
	expect_abort(look_past_sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_against_model),
		cmocka_unit_test(test_stuck_head),
		cmocka_unit_test(test_shrinks),
		cmocka_unit_test(test_invariants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
