/* SPDX-License-Identifier: ISC */
#include "config.h"

#include <event2/buffer.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "channel.h"
#include "conf.h"
#include "doorbell.h"
#include "hook.h"
#include "metrics.h"
#include "metrics_page.h"
#include "tevent.h"
#include "watch.h"

#define ROUNDS 100000

static char token[] = "TOKEN=t";
static char watched[] = "METRICS_DEVICES=[\"a\", \"q\\\"b\\\\c\"]";

static struct conf *
load(size_t settings)
{
	char *all[] = { token, watched };
	struct conf_source source = { .settings = all,
		.setting_count = settings };
	struct conf *conf = conf_load(&source, stderr);

	assert_non_null(conf);
	return conf;
}

/* The page, which the caller frees. */
static char *
print(const struct conf *conf)
{
	struct metrics_page what = { .conf = conf, .ready = true };
	struct evbuffer *out = evbuffer_new();
	char *text;

	assert_non_null(out);
	metrics_page_print(out, &what);
	evbuffer_add(out, "", 1);
	text = strdup((const char *)evbuffer_pullup(out, -1));
	assert_non_null(text);
	evbuffer_free(out);
	return text;
}

static void
assert_line(const char *page, const char *line)
{
	char text[200];

	snprintf(text, sizeof(text), "\n%s\n", line);
	if (strstr(page, text) == NULL)
		fail_msg("no line %s", line);
}

static int
start(void **state)
{
	(void)state;
	return metrics_attach();
}

static int
finish(void **state)
{
	(void)state;
	metrics_reset();
	return 0;
}

static void
test_without_a_set_nothing_is_counted(void **state)
{
	(void)state;
	metrics_add(METRICS_RESENT, 0, 1);
	metrics_set(METRICS_REGISTERED, 0, 1);
	metrics_observe(METRICS_ACK_LATENCY, 1);
	assert_int_equal(metrics_sum(METRICS_RESENT, 0), 0);
}

static void *
count(void *arg)
{
	int i;

	(void)arg;
	assert_int_equal(metrics_attach(), 0);
	for (i = 0; i < ROUNDS; i++) {
		metrics_add(METRICS_QUEUED, 0, i % 2 == 0 ? 3 : -1);
		metrics_count_push(METRICS_OFFLINE, metrics_shape("slack"));
		metrics_observe(METRICS_PUSH_LATENCY, 3000000);
	}
	return NULL;
}

static void
test_the_sum_of_all_threads_is_told(void **state)
{
	struct conf *conf = load(1);
	pthread_t tid[3];
	char *page;
	int i;

	(void)state;
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&tid[i], NULL, count, NULL), 0);
	/* Reading meanwhile harms nobody. */
	page = print(conf);
	free(page);
	for (i = 0; i < 3; i++)
		pthread_join(tid[i], NULL);
	/* What one thread added another may take away. */
	metrics_add(METRICS_QUEUED, 0, -3 * ROUNDS + 7);
	page = print(conf);
	assert_line(page, "mpushd_messages_queued 7");
	assert_line(page,
	    "mpushd_pushes_total{answer=\"offline\",shape=\"slack\"} 300000");
	assert_line(page,
	    "mpushd_pushes_total{answer=\"no\",shape=\"none\"} 0");
	assert_line(page,
	    "mpushd_push_latency_seconds_bucket{le=\"0.0025\"} 0");
	assert_line(page,
	    "mpushd_push_latency_seconds_bucket{le=\"0.005\"} 300000");
	assert_line(page,
	    "mpushd_push_latency_seconds_bucket{le=\"+Inf\"} 300000");
	assert_line(page, "mpushd_push_latency_seconds_sum 900.000000000");
	assert_line(page, "mpushd_push_latency_seconds_count 300000");
	metrics_add(METRICS_QUEUED, 0, -8);
	free(page);
	page = print(conf);
	assert_line(page, "mpushd_messages_queued 0");
	free(page);
	conf_unref(&conf);
}

static void
test_times_fall_into_their_buckets(void **state)
{
	struct conf *conf = load(1);
	char *page;

	(void)state;
	metrics_observe(METRICS_ACK_LATENCY, 0);
	metrics_observe(METRICS_ACK_LATENCY, 500000);
	metrics_observe(METRICS_ACK_LATENCY, 500001);
	metrics_observe(METRICS_ACK_LATENCY, UINT64_C(11000000000));
	page = print(conf);
	assert_line(page, "mpushd_ack_latency_seconds_bucket{le=\"0.0005\"} 2");
	assert_line(page, "mpushd_ack_latency_seconds_bucket{le=\"0.001\"} 3");
	assert_line(page, "mpushd_ack_latency_seconds_bucket{le=\"10\"} 3");
	assert_line(page, "mpushd_ack_latency_seconds_bucket{le=\"+Inf\"} 4");
	assert_line(page, "mpushd_ack_latency_seconds_sum 11.001000001");
	free(page);
	conf_unref(&conf);
}

static void
test_refusals_by_reason(void **state)
{
	struct conf *conf = load(1);
	char *page;

	(void)state;
	metrics_count_refusal(METRICS_WHY_STORE_FULL);
	metrics_count_refusal(METRICS_WHY_NONE);
	page = print(conf);
	assert_line(page, "mpushd_rejected_total{reason=\"store_full\"} 1");
	assert_line(page, "mpushd_rejected_total{reason=\"protocol\"} 0");
	assert_null(strstr(page, "reason=\"\""));
	free(page);
	conf_unref(&conf);
}

static void
test_devices_are_named_only_if_asked_for(void **state)
{
	struct conf *conf = load(1);
	char *page = print(conf);

	(void)state;
	assert_null(strstr(page, "mpushd_device_"));
	free(page);
	conf_unref(&conf);
	conf = load(2);
	watch_set(conf->watch, 1, true, 12);
	page = print(conf);
	assert_line(page, "mpushd_device_online{device=\"a\"} 0");
	assert_line(page, "mpushd_device_online{device=\"q\\\"b\\\\c\"} 1");
	assert_line(page,
	    "mpushd_device_messages_queued{device=\"q\\\"b\\\\c\"} 12");
	free(page);
	conf_unref(&conf);
}

static void
test_what_waits_in_a_channel(void **state)
{
	struct doorbell *bell = doorbell_new();
	struct channel *ch = channel_new(bell);
	struct conf *conf = load(1);
	struct tevent_plain *out;
	struct tevent *in;
	char *page;
	int i;

	(void)state;
	assert_int_equal(metrics_add_pipe("a-to-b", ch), 0);
	/* More than the pipe holds: the rest is with the sender. */
	for (i = 0; i < 5000; i++) {
		out = tevent_new(TEVENT_BEAT, 0);
		CHANNEL_SEND(ch, out);
	}
	page = print(conf);
	assert_line(page, "mpushd_pipe_depth{pipe=\"a-to-b\"} 5000");
	free(page);
	for (i = 0; i < 4000; i++) {
		in = channel_receive(ch);
		tevent_free(&in);
	}
	channel_flush(ch);
	assert_int_equal(channel_depth(ch), 1000);
	while ((in = channel_receive(ch)) != NULL)
		tevent_free(&in);
	assert_int_equal(channel_depth(ch), 0);
	metrics_reset();
	channel_free(&ch);
	doorbell_free(&bell);
	conf_unref(&conf);
}

static void
test_every_shape_has_its_number(void **state)
{
	unsigned int i;

	(void)state;
	assert_int_equal(metrics_shape("none"), 0);
	assert_int_equal(metrics_shape("what"), 0);
	for (i = 1; i < METRICS_SHAPES; i++) {
		assert_true(hook_is_shape(metrics_shapes[i]));
		assert_int_equal(metrics_shape(metrics_shapes[i]), i);
		assert_non_null(strstr(HOOK_SHAPES, metrics_shapes[i]));
	}
}

int
main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, start, finish)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_set_nothing_is_counted),
		WITH(test_the_sum_of_all_threads_is_told),
		WITH(test_times_fall_into_their_buckets),
		WITH(test_refusals_by_reason),
		WITH(test_devices_are_named_only_if_asked_for),
		WITH(test_what_waits_in_a_channel),
		cmocka_unit_test(test_every_shape_has_its_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
