/* SPDX-License-Identifier: ISC */
/* What templates make, how they are wrong, and where they end. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "template_try.h"

/* A source that is no template, and the place and a part of the fault. */
struct fault_case {
	const char *source;
	unsigned int line, column;
	const char *text;
};

static void
test_texts(void **state)
{
	static const struct try_case cases[] = {
		{ "", "null", "" },
		{ "plain } }} { text\n", "null", "plain } }} { text\n" },
		{ "{", "null", "{" },
		{ "a{{/* no {{ text \" */}}b", "null", "ab" },
		{ "a {{- /* x */ -}} b", "null", "ab" },
		{ "{{ /* x */ }}", "null", "" },
		{ "{{\"{{\"}}{{ `}}` }}", "null", "{{}}" },
		{ "{{ \"a\\n\\t\\\"\\\\b\" }}", "null", "a\n\t\"\\b" },
		{ "{{ `a\\n\"\nb` }}", "null", "a\\n\"\nb" },
		{ "{{ \"\" }}{{ `` }}", "null", "" },
		{ "\xe2\x82\xac{{ \"\xf0\x9f\x94\xa5\" }}", "null",
		    "\xe2\x82\xac\xf0\x9f\x94\xa5" },
		{ "{{ 42 }} {{ -7 }} {{ 0 }}", "null", "42 -7 0" },
		{ "{{ 123456789012345678 }}", "null", "123456789012345678" },
		{ "{{ true }} {{ false }}", "null", "true false" },
		{ "{{\n\t\"x\"\r\n}}", "null", "x" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_trimming(void **state)
{
	static const struct try_case cases[] = {
		{ "a \t\r\n{{- \"x\" -}}\n\n b", "null", "axb" },
		{ "a {{- \"x\" }} b", "null", "ax b" },
		{ "a {{ \"x\" -}} b", "null", "a xb" },
		{ "a {{\"x\"-}} b", "null", "a xb" },
		{ "a {{-\"x\"}} b", "null", "ax b" },
		{ "a {{-3}} b", "null", "a -3 b" },
		{ "a {{- 3 -}} b", "null", "a3b" },
		{ "a {{- -3-}} b", "null", "a-3b" },
		{ " {{- \"x\" -}} ", "null", "x" },
		{ "{{ . -}} {{- . }}", "\"y\"", "yy" },
		{ "1 {{- if . }} 2 {{- else -}} 3 {{ end -}} 4", "true",
		    "1 24" },
		{ "1 {{- if . }} 2 {{- else -}} 3 {{ end -}} 4", "false",
		    "13 4" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_paths(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ . }}", "\"x\"", "x" },
		{ "{{ .a }}{{.a}}{{ $.a }}", "{\"a\":\"x\"}", "xxx" },
		{ "{{ .a.b_2.C }}", "{\"a\":{\"b_2\":{\"C\":1}}}", "1" },
		{ "{{ .gr\xc3\xbc\xc3\x9f }}", "{\"gr\xc3\xbc\xc3\x9f\":1}",
		    "1" },
		{ "{{ .l.1.a }}{{ .l.2.a }}{{ .l.x }}",
		    "{\"l\":[{\"a\":1},{\"a\":2}]}", "2" },
		{ "{{ .0 }}", "[7]", "7" },
		{ "{{ .0 }}", "{\"0\":8}", "8" },
		{ "{{ .l.99999999999999999999 }}{{ .l.1234567890 }}",
		    "{\"l\":[1]}", "" },
		{ "[{{ .a }}{{ .a.b }}{{ .x.y.z }}{{ .s.t }}]",
		    "{\"a\":null,\"s\":\"t\"}", "[]" },
		{ "{{ . }}", "null", "" },
		{ "{{ $ }}", "5", "5" },
		{ "{{ .t }} {{ .f }} {{ .i }} {{ .r }}",
		    "{\"t\":true,\"f\":false,\"i\":-12,\"r\":1.5}",
		    "true false -12 1.5" },
		{ "{{ . }}", "{\"a\": [1, \"\xc3\xbc\"], \"b\": {}}",
		    "{\"a\":[1,\"\xc3\xbc\"],\"b\":{}}" },
		{ "{{ . }}", "\"a\\u0000b\"",
		    "a\xef\xbf\xbd"
		    "b" },
		{ "{{ (first .).a.b }}", "[{\"a\":{\"b\":3}}]", "3" },
		{ "{{ (.a).b }}{{ ((.a)) }}", "{\"a\":{\"b\":3}}",
		    "3{\"b\":3}" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_if(void **state)
{
	static const char chain[] =
	    "{{if .a}}A{{else if .b}}B{{else if .c}}C{{else}}D{{end}}";
	static const struct try_case cases[] = {
		{ chain, "{\"a\":1}", "A" },
		{ chain, "{\"b\":1,\"c\":1}", "B" },
		{ chain, "{\"c\":1}", "C" },
		{ chain, "{}", "D" },
		{ "{{if .}}1{{end}}2", "null", "2" },
		{ "{{if .}}{{else}}{{end}}", "null", "" },
		{ "{{if .a}}{{if .b}}1{{else}}2{{end}}{{else}}3{{end}}",
		    "{\"a\":1}", "2" },
		{ "{{if .a}}{{if .b}}1{{else}}2{{end}}{{else}}3{{end}}",
		    "{\"b\":1}", "3" },
	};
	static const char *const no[] = { "null", "false", "0", "0.0", "-0.0",
		"\"\"", "[]", "{}" };
	static const char *const yes[] = { "true", "1", "-1", "0.5", "-0.5",
		"\" \"", "[0]", "{\"a\":0}" };
	struct try_case c = { "{{if .}}y{{else}}n{{end}}", NULL, NULL };
	size_t i;

	(void)state;
	TRY_CASES(cases);
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		c.json = no[i];
		c.want = "n";
		try_cases(&c, 1);
		c.json = yes[i];
		c.want = "y";
		try_cases(&c, 1);
	}
}

static void
test_range(void **state)
{
	static const struct try_case cases[] = {
		{ "{{range .}}<{{.}}>{{end}}", "[1,\"b\",null]", "<1><b><>" },
		{ "{{range .}}{{$index}}={{.}} {{end}}", "[\"a\",\"b\"]",
		    "0=a 1=b " },
		{ "{{range .}}{{$index}}.{{$key}}={{.}} {{end}}",
		    "{\"b\":1,\"a\":2,\"ab\":3,\"\xc3\xa4\":4,\"\":5}",
		    "0.=5 1.a=2 2.ab=3 3.b=1 4.\xc3\xa4=4 " },
		{ "{{range .}}{{$key}}{{end}}", "[1,2]", "" },
		{ "{{range .}}1{{else}}none{{end}}", "[]", "none" },
		{ "{{range .}}1{{else}}none{{end}}", "{}", "none" },
		{ "{{range .x}}1{{else}}none {{.}}{{end}}", "{}", "none {}" },
		{ "{{range .}}1{{else}}none{{end}}", "\"text\"", "none" },
		{ "{{range .}}1{{else}}none{{end}}", "3", "none" },
		{ "{{range .a}}{{range .}}{{$index}}{{.}}{{$.s}}{{end}}"
		  "{{$index}};{{end}}",
		    "{\"a\":[[7,8],[9]],\"s\":\"-\"}", "07-18-0;09-1;" },
		{ "{{range .}}{{with .a}}{{$key}}{{.}}{{end}}{{end}}",
		    "{\"k\":{\"a\":1}}", "k1" },
		{ "{{range .}}{{range .}}{{else}}{{$index}}{{end}}{{end}}",
		    "[[],[]]", "01" },
		{ "{{range .}}{{range .}}{{$key}}{{.}}{{end}}{{end}}",
		    "{\"k\":[1]}", "1" },
		{ "{{range .}}{{end}}", "[1,2]", "" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_with(void **state)
{
	static const struct try_case cases[] = {
		{ "{{with .a}}{{.}}{{$.b}}{{end}}", "{\"a\":1,\"b\":2}", "12" },
		{ "{{with .x}}1{{else}}{{.b}}{{end}}", "{\"b\":2}", "2" },
		{ "{{with .x}}1{{end}}", "{}", "" },
		{ "{{with .a | upper}}{{. | lower}}{{.}}{{. | trunc 2}}{{end}}",
		    "{\"a\":\"xyz\"}", "xyzXYZX\xe2\x80\xa6" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_pipes(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ .a | default \"x\" | upper | trunc 20 }}", "{}", "X" },
		{ "{{ .a | default \"x\" | upper | trunc 4 }}",
		    "{\"a\":\"abcdef\"}", "ABC\xe2\x80\xa6" },
		{ "{{.a|upper|lower}}", "{\"a\":\"Q\"}", "q" },
		{ "{{ upper (lower (upper .)) }}", "\"q\"", "Q" },
		{ "{{ upper(.) }}", "\"q\"", "Q" },
		{ "{{ (. | upper) }}{{ (\"a\") | upper }}", "\"q\"", "QA" },
		{ "{{ join (\"-\" | upper) (index . 0) }}", "[[1,2]]", "1-2" },
		{ "{{ if eq (len .) 2 | not }}1{{ else }}2{{ end }}", "[1,2]",
		    "2" },
		{ "{{ if and (gt (len .) 1) (eq (first .) \"a\") }}y{{ end }}",
		    "[\"a\",\"b\"]", "y" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_case_functions(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ upper . }}", "\"az AZ 09 [`{@\"", "AZ AZ 09 [`{@" },
		{ "{{ lower . }}", "\"az AZ 09 [`{@\"", "az az 09 [`{@" },
		{ "{{ toUpper . }}{{ toLower . }}", "\"aB\"", "ABab" },
		{ "{{ upper . }}",
		    "\"\xc3\xa4\xc3\xb7\xc3\xbf\xc3\x9f \xc5\xbe \xce\xac"
		    "\xcf\x82\xcf\x83 \xd1\x84\xd1\x91 \xe6\x97\xa5\"",
		    "\xc3\x84\xc3\xb7\xc3\xbf\xc3\x9f \xc5\xbd \xce\x86"
		    "\xcf\x82\xce\xa3 \xd0\xa4\xd0\x81 \xe6\x97\xa5" },
		{ "{{ lower . }}",
		    "\"\xc3\x84\xc3\x97 \xc5\xbd \xce\x86\xce\xa3 "
		    "\xd0\xa4\xd0\x81 \xf0\x9f\x94\xa5\"",
		    "\xc3\xa4\xc3\x97 \xc5\xbe \xce\xac\xcf\x83 "
		    "\xd1\x84\xd1\x91 \xf0\x9f\x94\xa5" },
		{ "{{ upper . }}", "true", "TRUE" },
		{ "{{ upper . }}", "null", "" },
		{ "{{ upper . }}", "[\"a\"]", "[\"A\"]" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_text_functions(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ trunc 3 . }}", "\"abc\"", "abc" },
		{ "{{ trunc 3 . }}", "\"abcd\"", "ab\xe2\x80\xa6" },
		{ "{{ trunc 3 . }}", "\"\xc3\xa4\xc3\xb6\xc3\xbc\"",
		    "\xc3\xa4\xc3\xb6\xc3\xbc" },
		{ "{{ trunc 2 . }}", "\"\xf0\x9f\x94\xa5\xc3\xb6\xc3\xbc\"",
		    "\xf0\x9f\x94\xa5\xe2\x80\xa6" },
		{ "{{ trunc 1 . }}", "\"abc\"", "\xe2\x80\xa6" },
		{ "[{{ trunc 0 . }}{{ trunc -1 . }}{{ trunc \"2\" . }}]",
		    "\"abc\"", "[]" },
		{ "{{ trunc 3 . }}", "123456", "12\xe2\x80\xa6" },
		{ "[{{ trim . }}]", "\" \\t\\r\\n a  b \\n\"", "[a  b]" },
		{ "[{{ trim . }}]", "\"  \"", "[]" },
		{ "{{ contains \"b\" . }} {{ contains \"x\" . }} "
		  "{{ contains \"\" . }}",
		    "\"abc\"", "true false true" },
		{ "{{ contains 2 . }}", "123", "true" },
		{ "{{ hasPrefix \"ab\" . }} {{ hasPrefix \"bc\" . }} "
		  "{{ hasPrefix \"abcd\" . }} {{ hasPrefix \"\" . }}",
		    "\"abc\"", "true false false true" },
		{ "{{ hasSuffix \"ab\" . }} {{ hasSuffix \"bc\" . }} "
		  "{{ hasSuffix \"xabc\" . }} {{ hasSuffix \"\" . }}",
		    "\"abc\"", "false true false true" },
		{ "{{ replace \"a\" \"xy\" . }}", "\"banana\"", "bxynxynxy" },
		{ "{{ replace \"an\" \"\" . }}", "\"banana\"", "ba" },
		{ "{{ replace \"\" \"x\" . }}", "\"ab\"", "ab" },
		{ "{{ replace \"aa\" \"b\" . }}", "\"aaa\"", "ba" },
		{ "{{ urlquery . }}", "\"a b+c/\xc3\xbc~_.-%\"",
		    "a%20b%2Bc%2F%C3%BC~_.-%25" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_json(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ json . }}", "{ \"a\" : [ 1, null ] }",
		    "{\"a\":[1,null]}" },
		{ "{{ json . }}", "\"a\\\"b\\n\xc3\xbc\"",
		    "\"a\\\"b\\n\xc3\xbc\"" },
		{ "{{ json . }}", "\"a\\u0000\"", "\"a\\u0000\"" },
		{ "{{ json . }}", "null", "null" },
		{ "{{ json .x }}", "{}", "null" },
		{ "{{ json . }}", "12", "12" },
		{ "{{ json . }}", "true", "true" },
		{ "{{ json . }}", "0.25", "0.25" },
		{ "{{ . | upper | json }}", "\"a\"", "\"A\"" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_list_functions(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ join \", \" . }}", "[\"a\",2,null,[3],true]",
		    "a, 2, , [3], true" },
		{ "{{ join \", \" . }}", "[]", "" },
		{ "{{ join \", \" . }}", "\"text\"", "text" },
		{ "{{ join 0 . }}", "[1,2]", "102" },
		{ "{{ len . }}", "[1,2,3]", "3" },
		{ "{{ len . }}", "{\"a\":1}", "1" },
		{ "{{ len . }}", "\"\xc3\xa4\xf0\x9f\x94\xa5x\"", "3" },
		{ "{{ len . }}", "[]", "0" },
		{ "{{ len . }}", "null", "0" },
		{ "{{ len . }}", "-12", "3" },
		{ "{{ index . \"key with-odd.chars\" }}",
		    "{\"key with-odd.chars\":1}", "1" },
		{ "{{ index . 1 \"a\" 0 }}", "[0,{\"a\":[5]}]", "5" },
		{ "{{ index . \"1\" }}", "[6,7]", "7" },
		{ "{{ index . 1 }}", "{\"1\":4}", "4" },
		{ "[{{ index . 2 }}{{ index . -1 }}{{ index . \"x\" }}]",
		    "[1,2]", "[]" },
		{ "[{{ index . 0 }}{{ index . \"a\" \"b\" }}]", "\"abc\"",
		    "[]" },
		{ "{{ first . }} {{ last . }}", "[1,2,3]", "1 3" },
		{ "[{{ first . }}{{ last . }}]", "[]", "[]" },
		{ "[{{ first . }}{{ last . }}]", "{\"a\":1}", "[]" },
		{ "[{{ first . }}{{ last . }}]", "null", "[]" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
test_logic(void **state)
{
	static const struct try_case cases[] = {
		{ "{{ default \"x\" .a }}{{ default \"x\" .b }}",
		    "{\"a\":\"\",\"b\":2}", "x2" },
		{ "{{ default \"x\" .a }}", "{\"a\":0}", "x" },
		{ "{{ and .a .b }}|{{ and .b .a }}|{{ and .b .c }}|{{ and 1 }}",
		    "{\"a\":0,\"b\":1,\"c\":2}", "0|0|2|1" },
		{ "{{ or .a .b .c }}|{{ or .a false }}|{{ or .x }}",
		    "{\"a\":0,\"b\":1,\"c\":2}", "1|false|" },
		{ "{{ not . }}{{ not (not .) }}", "1", "falsetrue" },
		{ "{{ not . }}", "null", "true" },
	};

	(void)state;
	TRY_CASES(cases);
}

/* Each pair with eq, ne, lt, le, gt, ge in that order: y or n. */
static void
test_comparisons(void **state)
{
	static const char source[] =
	    "{{if eq .a .b}}y{{else}}n{{end}}{{if ne .a .b}}y{{else}}n{{end}}"
	    "{{if lt .a .b}}y{{else}}n{{end}}{{if le .a .b}}y{{else}}n{{end}}"
	    "{{if gt .a .b}}y{{else}}n{{end}}{{if ge .a .b}}y{{else}}n{{end}}";
	static const struct try_case cases[] = {
		{ source, "{\"a\":1,\"b\":1}", "ynnyny" },
		{ source, "{\"a\":1,\"b\":2}", "nyyynn" },
		{ source, "{\"a\":2,\"b\":1}", "nynnyy" },
		{ source, "{\"a\":1,\"b\":1.0}", "ynnyny" },
		{ source, "{\"a\":1.5,\"b\":1}", "nynnyy" },
		{ source, "{\"a\":9007199254740993,\"b\":9007199254740992}",
		    "nynnyy" },
		{ source, "{\"a\":\"a\",\"b\":\"a\"}", "ynnyny" },
		{ source, "{\"a\":\"a\",\"b\":\"ab\"}", "nyyynn" },
		{ source, "{\"a\":\"b\",\"b\":\"ab\"}", "nynnyy" },
		{ source, "{\"a\":\"10\",\"b\":\"9\"}", "nyyynn" },
		{ source, "{\"a\":10,\"b\":\"9\"}", "nynnyy" },
		{ source, "{\"a\":\"1e1\",\"b\":10}", "ynnyny" },
		{ source, "{\"a\":\"x\",\"b\":10}", "nynnnn" },
		{ source, "{\"a\":\"\",\"b\":10}", "nynnnn" },
		{ source, "{\"a\":\"1 \",\"b\":1}", "nynnnn" },
		{ source, "{\"a\":\"1\\u0000\",\"b\":1}", "nynnnn" },
		{ source, "{\"a\":\"0x1\",\"b\":1}", "nynnnn" },
		{ source, "{\"a\":\"1e999\",\"b\":1}", "nynnnn" },
		{ source, "{\"a\":\"\"}", "ynnyny" },
		{ source, "{}", "ynnyny" },
		{ source, "{\"b\":1}", "nynnnn" },
		{ source, "{\"a\":true,\"b\":true}", "ynnyny" },
		{ source, "{\"a\":true,\"b\":\"true\"}", "ynnyny" },
		{ source, "{\"a\":true,\"b\":1}", "nynnnn" },
		{ source, "{\"a\":[1],\"b\":[1]}", "nynnnn" },
		{ source, "{\"a\":{},\"b\":\"\"}", "nynnnn" },
		{ "{{ eq . \"a\" \"b\" \"c\" }}", "\"c\"", "true" },
		{ "{{ eq . \"a\" \"b\" \"c\" }}", "\"d\"", "false" },
		{ "{{ . | lt 5 }}", "6", "true" },
	};

	(void)state;
	TRY_CASES(cases);
}

static void
check_fault(const struct fault_case *c)
{
	struct template_fault f;
	size_t len = strlen(c->source);
	char *exact = malloc(len + 1);

	/* Of the exact size, so that a sanitizer sees a read beyond it. */
	exact = realloc(exact, len > 0 ? len : 1);
	assert_non_null(exact);
	memcpy(exact, c->source, len);
	errno = 0;
	assert_null(template_compile(exact, len, &f));
	free(exact);
	assert_int_equal(errno, EINVAL);
	if (f.line != c->line || f.column != c->column ||
	    strcmp(f.text, c->text) != 0)
		fail_msg("%s\nis %u:%u: %s\nnot %u:%u: %s", c->source, f.line,
		    f.column, f.text, c->line, c->column, c->text);
}

static void
test_faults_of_blocks(void **state)
{
	static const struct fault_case cases[] = {
		{ "a\nb\n \xc3\xbc{{ if . }}\nc", 3, 3,
		    "{{ if }} at line 3 has no {{ end }}" },
		{ "{{ if . }}{{ range . }}{{ end }}", 1, 1,
		    "{{ if }} at line 1 has no {{ end }}" },
		{ "{{ with . }}{{ else }}", 1, 1,
		    "{{ with }} at line 1 has no {{ end }}" },
		{ "\n{{ end }}", 2, 1, "{{ end }} ends nothing" },
		{ "{{ if . }}{{ end }}{{ end }}", 1, 20,
		    "{{ end }} ends nothing" },
		{ "{{ else }}", 1, 1,
		    "{{ else }} is not inside of {{ if }}, {{ range }} or "
		    "{{ with }}" },
		{ "{{ if . }}\n{{ else }}\n{{ else }}{{ end }}", 3, 1,
		    "{{ if }} at line 1 has an {{ else }} already" },
		{ "{{ if . }}{{ else }}{{ else if . }}{{ end }}", 1, 21,
		    "{{ if }} at line 1 has an {{ else }} already" },
		{ "{{ range . }}{{ else if . }}{{ end }}", 1, 22,
		    "{{ else if }} belongs to {{ if }}, and here is "
		    "{{ range }}" },
		{ "{{ if . }}{{ else with . }}{{ end }}", 1, 19,
		    "unexpected 'with'" },
		{ "{{ if . }}{{ end if }}", 1, 18, "unexpected 'if'" },
		{ "{{ else \x7f }}", 1, 9, "unexpected '?'" },
		{ "{{ if }}{{ end }}", 1, 7, "a value is missing here" },
		{ "{{ if . ) }}{{ end }}", 1, 9, "unexpected ')'" },
		{ "{{ . | if }}", 1, 8,
		    "\"if\" stands first in its {{ }} or not at all" },
		{ "{{ $index }}", 1, 4,
		    "\"$index\" is only known inside of {{ range }}" },
		{ "{{ range . }}{{ else }}{{ $key }}{{ end }}", 1, 27,
		    "\"$key\" is only known inside of {{ range }}" },
		{ "{{ range . }}{{ end }}{{ $key }}", 1, 26,
		    "\"$key\" is only known inside of {{ range }}" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_fault(&cases[i]);
}

static void
test_faults_of_words(void **state)
{
	static const struct fault_case cases[] = {
		{ "x\n{{ .a", 2, 1, "the {{ has no }} behind it" },
		{ "{{", 1, 1, "the {{ has no }} behind it" },
		{ "{{ . }", 1, 6, "unexpected '}'" },
		{ "{{-", 1, 1, "the {{ has no }} behind it" },
		{ "{{ - }}", 1, 4, "unexpected '-'" },
		{ "{{ \"a\"\"b\" }}", 1, 7, "unexpected '\"'" },
		{ "{{ if .a == 1 }}{{ end }}", 1, 10,
		    "unexpected '=': eq compares, and variables cannot be "
		    "set" },
		{ "{{ .a-b }}", 1, 6,
		    "unexpected '-': keys with other characters than letters, "
		    "digits and _ are read with index" },
		{ "{{ $x := .a }}", 1, 4,
		    "unknown variable \"$x\": there are $, $index and $key" },
		{ "{{ range $ := .a }}{{ end }}", 1, 12,
		    "unexpected ':': eq compares, and variables cannot be "
		    "set" },
		{ "{{/* x }}", 1, 3, "the comment has no */" },
		{ "{{/*/}}", 1, 3, "the comment has no */" },
		{ "{{/* x */ . }}", 1, 11,
		    "behind a comment there must be }}" },
		{ "{{ \"abc }}", 1, 4,
		    "the string has no closing \" on its line" },
		{ "{{ \"a\nb\" }}", 1, 4,
		    "the string has no closing \" on its line" },
		{ "{{ \"a\\", 1, 6,
		    "unknown escape: there are \\n, \\t, \\\" and \\\\" },
		{ "{{ \"a\\x41\" }}", 1, 6,
		    "unknown escape: there are \\n, \\t, \\\" and \\\\" },
		{ "{{ `abc }}", 1, 4, "the string has no closing `" },
		{ "{{ 1234567890123456789 }}", 1, 4,
		    "the number has more than 18 digits" },
		{ "{{ -9999999999999999999 }}", 1, 4,
		    "the number has more than 18 digits" },
		{ "{{ 1.5 }}", 1, 4, "only whole numbers can be written here" },
		{ "{{ .a. }}", 1, 6, "a name is missing after '.'" },
		{ "{{ .. }}", 1, 4, "a name is missing after '.'" },
		{ "{{ $. }}", 1, 5, "a name is missing after '.'" },
		{ "{{ (.). }}", 1, 7, "a name is missing after '.'" },
		{ "{{ .\xe2\x82\xac\xc2\xad\x01 }}", 1, 7,
		    "unexpected '?': keys with other characters than letters, "
		    "digits and _ are read with index" },
		{ "ab\n\xc3(", 2, 1,
		    "the template is not UTF-8 without U+0000" },
		{ "ab\xe2\x82", 1, 3,
		    "the template is not UTF-8 without U+0000" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_fault(&cases[i]);
}

static void
test_faults_of_calls(void **state)
{
	static const struct fault_case cases[] = {
		{ "{{ . | uper }}", 1, 8, "unknown function \"uper\"" },
		{ "{{ uper . }}", 1, 4, "unknown function \"uper\"" },
		{ "{{ join \", \" }}", 1, 4,
		    "\"join\" needs 2 arguments, and has 1" },
		{ "{{ upper . . }}", 1, 4,
		    "\"upper\" needs 1 argument, and has 2" },
		{ "{{ eq . }}", 1, 4,
		    "\"eq\" needs at least 2 arguments, and has 1" },
		{ "{{ or 1 2 3 4 5 6 7 8 9 1 2 3 4 5 6 7 8 }}", 1, 4,
		    "\"or\" needs at most 16 arguments, and has 17" },
		{ "{{ . | upper | }}", 1, 16,
		    "behind | there must be a function" },
		{ "{{ . | .a }}", 1, 8, "behind | there must be a function" },
		{ "{{ . | true }}", 1, 8, "behind | there must be a function" },
		{ "{{ | upper }}", 1, 4, "a value is missing here" },
		{ "{{ }}", 1, 4, "a value is missing here" },
		{ "{{ .a .b }}", 1, 7,
		    "a value follows a value: a function or a | is missing" },
		{ "{{ eq len . 2 }}", 1, 7,
		    "the call of \"len\" needs parentheses here" },
		{ "{{ upper (.a }}", 1, 10, "the ( has no )" },
		{ "{{ upper () }}", 1, 11, "a value is missing here" },
		{ "{{ .a) }}", 1, 6, "unexpected ')'" },
		{ "{{ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aa\xc3\xbc\xc3\xbc\xc3\xbc }}",
		    1, 4,
		    "unknown function \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaa...\"" },
		{ "{{ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaa }}",
		    1, 4,
		    "unknown function \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaa...\"" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_fault(&cases[i]);
}

static void
test_nul_in_source(void **state)
{
	struct template_fault f;

	(void)state;
	assert_null(template_compile("ab\0c", 4, &f));
	assert_int_equal(f.line, 1);
	assert_int_equal(f.column, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_trimming),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_if),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_with),
		cmocka_unit_test(test_pipes),
		cmocka_unit_test(test_case_functions),
		cmocka_unit_test(test_text_functions),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_list_functions),
		cmocka_unit_test(test_logic),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_faults_of_blocks),
		cmocka_unit_test(test_faults_of_words),
		cmocka_unit_test(test_faults_of_calls),
		cmocka_unit_test(test_nul_in_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
