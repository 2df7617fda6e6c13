/* SPDX-License-Identifier: ISC */
/*
 * test_log - what arrives on stderr.
 */
#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define THREADS 4
#define LINES   100  /* of each thread; all fit into a pipe */
#define ENTRIES 1000 /* more than a socket takes; all fit into a pipe */

static char got[1 << 16];

/* Run FN with stderr turned into a pipe, and put what it wrote into got. */
static void
capture(void (*fn)(void))
{
	int fds[2], saved;
	ssize_t n;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	saved = dup(STDERR_FILENO);
	assert_int_not_equal(saved, -1);
	dup2(fds[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	n = read(fds[0], got, sizeof(got) - 1);
	got[n > 0 ? n : 0] = '\0';
	close(saved);
	close(fds[0]);
	close(fds[1]);
}

static int
reset(void **state)
{
	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_TO_STDERR);
	log_set_level(LOG_INFO);
	return 0;
}

static void
write_each_level(void)
{
	log_err("area[%d]: %s", 1, "error");
	log_warn("warning");
	log_notice("notice");
	log_info("info");
	log_debug("debug");
	log_write(LOG_DEBUG, "debug");
}

static void
test_levels(void **state)
{
	(void)state;
	capture(write_each_level);
	assert_string_equal(got, "area[1]: error\nwarning\nnotice\ninfo\n");
	assert_true(log_enabled(LOG_INFO));
	assert_false(log_enabled(LOG_DEBUG));
	log_set_level(LOG_DEBUG);
	assert_true(log_enabled(LOG_DEBUG));
	capture(write_each_level);
	assert_string_equal(got,
	    "area[1]: error\nwarning\nnotice\ninfo\ndebug\ndebug\n");
	log_set_level(LOG_ERR);
	capture(write_each_level);
	assert_string_equal(got, "area[1]: error\n");
}

static void
write_to_journal(void)
{
	char stream[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(LOG_TO_STDERR);
	log_err("one");
	log_info("two");
}

/* The variable is inherited by programs whose stderr leads elsewhere. */
static void
write_beside_journal(void)
{
	setenv("JOURNAL_STREAM", "1:1", 1);
	log_open(LOG_TO_STDERR);
	log_err("one");
	setenv("JOURNAL_STREAM", "nonsense", 1);
	log_open(LOG_TO_STDERR);
	log_err("two");
}

static void
test_journal(void **state)
{
	(void)state;
	capture(write_to_journal);
	assert_string_equal(got, "<3>one\n<6>two\n");
	capture(write_beside_journal);
	assert_string_equal(got, "one\ntwo\n");
}

static void
write_events(void)
{
	log_event(LOG_INFO, LOG_FIELDS(log_text("peer", "::1")), "ws: %s",
	    "gone");
	log_event(LOG_INFO,
	    LOG_FIELDS(log_text("empty", ""), log_text("spaces", "a b"),
		log_text("quote", "a\"b\\"), log_text("equals", "a=b"),
		log_number("most", UINT64_MAX),
		log_bytes("bytes", "\n\033[31m\xff", 7),
		log_text("utf", "\xc3\xbc")),
	    "odd");
	log_event(LOG_DEBUG, LOG_FIELDS(log_number("n", 1)), "not shown");
}

static void
test_fields_follow_the_sentence(void **state)
{
	(void)state;
	capture(write_events);
	assert_string_equal(got,
	    "ws: gone peer=::1\n"
	    "odd empty=\"\" spaces=\"a b\" quote=\"a\\\"b\\\\\" "
	    "equals=\"a=b\" most=18446744073709551615 "
	    "bytes=\"\\n\\033[31m\\377\" utf=\"\\303\\274\"\n");
}

static char value[5000];
static size_t value_len;

static void
write_value_and_more(void)
{
	log_event(LOG_INFO,
	    LOG_FIELDS(log_bytes("a", value, value_len), log_text("b", "end")),
	    "long");
}

/* Check the line with FILL in "a" for each length, however it is escaped. */
static void
check_lengths(char fill, size_t escaped, const char *quote)
{
	char end[32];
	size_t shown;
	bool whole;

	memset(value, fill, sizeof(value));
	for (value_len = 1; value_len <= 2 * LOG_VALUE_MAX; value_len++) {
		capture(write_value_and_more);
		whole = value_len * escaped <= LOG_SHOWN_MAX;
		shown = whole ? value_len : LOG_SHOWN_MAX / escaped;
		snprintf(end, sizeof(end), "%s%s b=end\n", whole ? "" : "...",
		    quote);
		assert_int_equal(strlen(got),
		    strlen("long a=") + strlen(quote) + shown * escaped +
			strlen(end));
		assert_string_equal(got + strlen(got) - strlen(end), end);
	}
}

/* What is behind a value is read too: who it was, how many were left out. */
static void
test_values_are_bounded(void **state)
{
	(void)state;
	check_lengths('x', 1, "");
	check_lengths(' ', 1, "\"");
	check_lengths('"', 2, "\"");
	check_lengths('\\', 2, "\"");
	check_lengths('\n', 2, "\"");
	check_lengths('\001', 4, "\"");
	check_lengths('\xe4', 4, "\"");
}

static void
write_many_values(void)
{
	log_event(LOG_INFO,
	    LOG_FIELDS(log_bytes("a", value, value_len),
		log_bytes("b", value, value_len),
		log_bytes("c", value, value_len),
		log_bytes("d", value, value_len), log_text("e", "end")),
	    "long");
}

static void
test_a_line_with_fields_is_bounded(void **state)
{
	(void)state;
	memset(value, '\001', sizeof(value));
	value_len = sizeof(value);
	capture(write_many_values);
	assert_true(strncmp(got, "long a=\"\\001\\001", 14) == 0);
	assert_int_equal(strlen(got), LOG_LINE_MAX);
	assert_int_equal(got[LOG_LINE_MAX - 1], '\n');
}

/* No escape is cut, wherever the end of what is shown comes to be. */
static void
test_no_escape_is_cut(void **state)
{
	size_t lead;

	(void)state;
	value_len = LOG_VALUE_MAX;
	for (lead = 0; lead < 8; lead++) {
		memset(value, '\xe4', sizeof(value));
		memset(value, 'x', lead);
		capture(write_value_and_more);
		assert_non_null(strstr(got, "\\344...\" b=end\n"));
	}
}

/* A journal of our own: what it gets, without what stderr gets. */
static size_t
receive_entry(void (*fn)(void), char *entry, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	ssize_t n;

	snprintf(address.sun_path, sizeof(address.sun_path),
	    "/tmp/test_log-%ld", (long)getpid());
	(void)unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	log_set_journal(address.sun_path);
	capture(fn);
	n = recv(fd, entry, size - 1, MSG_DONTWAIT);
	(void)unlink(address.sun_path);
	close(fd);
	entry[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void
write_entry(void)
{
	char stream[64];
	struct stat st;

	if (fstat(STDERR_FILENO, &st) == -1)
		return;
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_open(LOG_TO_STDERR);
	log_event(LOG_WARNING,
	    LOG_FIELDS(log_text("device", "a b"), log_number("left_out", 7),
		log_bytes("lines", "x\ny", 3)),
	    "http: refused %s", "a push");
}

static void
test_the_journal_gets_fields(void **state)
{
	static const char want[] =
	    "MESSAGE=http: refused a push device=\"a b\" left_out=7 "
	    "lines=\"x\\ny\"\n"
	    "PRIORITY=4\nSYSLOG_IDENTIFIER=mpushd\nMPUSHD_AREA=http\n"
	    "MPUSHD_DEVICE=a b\nMPUSHD_LEFT_OUT=7\n"
	    "MPUSHD_LINES\n\003\0\0\0\0\0\0\0x\ny\n";
	char entry[4096];
	size_t len = receive_entry(write_entry, entry, sizeof(entry));

	(void)state;
	assert_int_equal(len, sizeof(want) - 1);
	assert_memory_equal(entry, want, len);
	assert_string_equal(got, "");
	/* When it is gone, stderr is there still. */
	log_set_journal("/nonexistent/socket");
	capture(write_entry);
	assert_string_equal(got,
	    "<4>http: refused a push device=\"a b\" left_out=7 "
	    "lines=\"x\\ny\"\n");
}

/* As write_entry, with a value that is too long. */
static void
write_long_entry(void)
{
	write_entry();
	write_value_and_more();
}

/* Send to a journal that reads nothing, more than fits into its socket. */
static void
write_many_entries(void)
{
	int i;

	write_entry();
	for (i = 0; i < ENTRIES; i++)
		write_value_and_more();
}

static int
bind_journal(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path),
	    "/tmp/test_log-%ld", (long)getpid());
	(void)unlink(address->sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)address, sizeof(*address)),
	    0);
	log_set_journal(address->sun_path);
	return fd;
}

static void
test_a_field_of_the_journal_is_bounded(void **state)
{
	static struct sockaddr_un address;
	char entry[8192], want[LOG_VALUE_MAX + 32];
	int fd = bind_journal(&address);
	ssize_t n;

	(void)state;
	memset(value, 'x', sizeof(value));
	value_len = sizeof(value);
	capture(write_long_entry);
	assert_string_equal(got, "");
	assert_true(recv(fd, entry, sizeof(entry), MSG_DONTWAIT) > 0);
	n = recv(fd, entry, sizeof(entry) - 1, MSG_DONTWAIT);
	assert_true(n > 0);
	entry[n] = '\0';
	snprintf(want, sizeof(want), "\nMPUSHD_A=%.*s\nMPUSHD_B=end\n",
	    LOG_VALUE_MAX, value);
	assert_non_null(strstr(entry, want));
	(void)unlink(address.sun_path);
	close(fd);
}

static size_t
count_lines(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')) != NULL; text++)
		lines++;
	return lines;
}

/* No line is lost and nobody waits for a journal that is busy. */
static void
test_a_full_journal_leaves_stderr(void **state)
{
	static struct sockaddr_un address;
	int fd = bind_journal(&address);
	size_t taken = 0;
	char entry[8192];

	(void)state;
	memset(value, 'x', sizeof(value));
	value_len = 10;
	capture(write_many_entries);
	while (recv(fd, entry, sizeof(entry), MSG_DONTWAIT) > 0)
		taken++;
	assert_in_range(taken, 1, ENTRIES);
	assert_int_equal(taken + count_lines(got), ENTRIES + 1);
	assert_non_null(strstr(got, "<6>long a=xxxxxxxxxx b=end\n"));
	(void)unlink(address.sun_path);
	close(fd);
}

/*
 * With -D threads log already when syslog takes over: the descriptor that one
 * of them may be using must not become that of a connection.
 */
static void
test_syslog_leaves_the_descriptor_open(void **state)
{
	static struct sockaddr_un address, peer;
	socklen_t len = sizeof(peer);
	int fd = bind_journal(&address), i, found = 0;

	(void)state;
	capture(write_entry);
	log_open(LOG_TO_SYSLOG);
	for (i = 3; i < 64; i++) {
		len = sizeof(peer);
		found += getpeername(i, (struct sockaddr *)&peer, &len) == 0 &&
			 strcmp(peer.sun_path, address.sun_path) == 0;
	}
	assert_int_equal(found, 1);
	(void)unlink(address.sun_path);
	close(fd);
}

static struct log_limit shared_limit;
static atomic_int allowed;

static void *
ask_often(void *arg)
{
	unsigned int left_out;
	int i;

	(void)arg;
	for (i = 0; i < 10000; i++)
		allowed += log_may(&shared_limit, 1000, &left_out);
	return NULL;
}

static void
test_the_limit_holds_for_all_threads(void **state)
{
	pthread_t tid[THREADS];
	int i;

	(void)state;
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&tid[i], NULL, ask_often, NULL),
		    0);
	for (i = 0; i < THREADS; i++)
		pthread_join(tid[i], NULL);
	/* Who saw the old window may add one, each but the first. */
	assert_in_range(allowed, LOG_BURST, LOG_BURST * 2 + THREADS);
}

static void
test_what_peers_cause_is_limited(void **state)
{
	struct log_limit limit = { 0 };
	unsigned int left_out;
	int i;

	(void)state;
	for (i = 0; i < LOG_BURST; i++) {
		assert_true(log_may(&limit, 1000, &left_out));
		assert_int_equal(left_out, 0);
	}
	for (i = 0; i < 100; i++)
		assert_false(log_may(&limit, 1001, &left_out));
	assert_false(log_may(&limit, 1000 + LOG_WINDOW - 1, &left_out));
	assert_true(log_may(&limit, 1000 + LOG_WINDOW, &left_out));
	assert_int_equal(left_out, 101);
	assert_true(log_may(&limit, 1001 + LOG_WINDOW, &left_out));
	assert_int_equal(left_out, 0);
}

static char long_text[LOG_LINE_MAX * 2];

static void
write_long(void)
{
	log_info("%s", long_text);
	log_info("next");
}

static void
test_long_line(void **state)
{
	char *end;

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	capture(write_long);
	end = strchr(got, '\n');
	assert_non_null(end);
	assert_in_range(end + 1 - got, LOG_LINE_MAX - 8, LOG_LINE_MAX);
	assert_string_equal(end, "\nnext\n");
	/* The longest that is whole. */
	long_text[LOG_LINE_MAX - 1] = '\0';
	capture(write_long);
	assert_int_equal(strlen(got), LOG_LINE_MAX + strlen("next\n"));
}

static void *
write_lines(void *arg)
{
	int i;

	for (i = 0; i < LINES; i++)
		log_info("%s %s %s", (char *)arg, "--------------------",
		    (char *)arg);
	return NULL;
}

static void
write_from_threads(void)
{
	static char names[THREADS][2] = { "a", "b", "c", "d" };
	pthread_t tid[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		pthread_create(&tid[i], NULL, write_lines, names[i]);
	for (i = 0; i < THREADS; i++)
		pthread_join(tid[i], NULL);
}

static void
test_lines_never_mix(void **state)
{
	char *line, *rest = got, want[64];
	int lines = 0;

	(void)state;
	capture(write_from_threads);
	while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
		assert_in_range(line[0], 'a', 'd');
		snprintf(want, sizeof(want), "%c -------------------- %c",
		    line[0], line[0]);
		assert_string_equal(line, want);
		lines++;
	}
	assert_int_equal(lines, THREADS * LINES);
}

static void
check_escape(const char *text, size_t len, const char *want)
{
	char out[LOG_ESCAPE_MAX];

	memset(out, '?', sizeof(out));
	assert_ptr_equal(log_escape(out, text, len), out);
	assert_string_equal(out, want);
}

static void
test_escape(void **state)
{
	(void)state;
	check_escape("", 0, "");
	check_escape("plain text", 10, "plain text");
	check_escape("only the start", 4, "only");
	check_escape("a\nb\tc\r", 6, "a\\nb\\tc\\r");
	check_escape("back\\slash", 10, "back\\\\slash");
	check_escape("\x1b[31m", 5, "\\033[31m");
	check_escape("\x7f", 1, "\\177");
	check_escape("nul\0"
		     "1",
	    5, "nul\\0001");
}

/* Nothing that a peer sends puts a control character into a line. */
static void
test_escape_every_byte(void **state)
{
	char text[2], out[LOG_ESCAPE_MAX], *at;
	int a, b;

	(void)state;
	for (a = 0; a < 256; a++) {
		for (b = 0; b < 256; b++) {
			text[0] = (char)a;
			text[1] = (char)b;
			log_escape(out, text, 2);
			assert_in_range(strlen(out), 2, 8);
			for (at = out; *at != '\0'; at++)
				assert_in_range(*at, ' ', '~');
		}
	}
}

static void
test_escape_long(void **state)
{
	char text[1000], out[LOG_ESCAPE_MAX];
	size_t len;

	(void)state;
	memset(text, 1, sizeof(text));
	for (len = 0; len <= sizeof(text); len++) {
		memset(out, '?', sizeof(out));
		log_escape(out, text, len);
		assert_non_null(memchr(out, '\0', sizeof(out)));
		if (strlen(out) < len * 4)
			assert_string_equal(out + strlen(out) - 3, "...");
		else
			assert_int_equal(strlen(out), len * 4);
	}
	assert_string_equal(out + strlen(out) - 3, "...");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_levels, reset),
		cmocka_unit_test_setup(test_journal, reset),
		cmocka_unit_test_setup(test_fields_follow_the_sentence, reset),
		cmocka_unit_test_setup(test_values_are_bounded, reset),
		cmocka_unit_test_setup(test_a_line_with_fields_is_bounded,
		    reset),
		cmocka_unit_test_setup(test_no_escape_is_cut, reset),
		cmocka_unit_test_setup(test_the_journal_gets_fields, reset),
		cmocka_unit_test_setup(test_a_field_of_the_journal_is_bounded,
		    reset),
		cmocka_unit_test_setup(test_a_full_journal_leaves_stderr,
		    reset),
		cmocka_unit_test_setup(test_syslog_leaves_the_descriptor_open,
		    reset),
		cmocka_unit_test(test_the_limit_holds_for_all_threads),
		cmocka_unit_test(test_what_peers_cause_is_limited),
		cmocka_unit_test_setup(test_long_line, reset),
		cmocka_unit_test_setup(test_lines_never_mix, reset),
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_every_byte),
		cmocka_unit_test(test_escape_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
