/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "lsobs/model/lsobs-propagation-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"
#include "tests/lib/test-utils.h"

/* The headers, as text. */

#define R "019ca8bb-f152-7a10-8c3e-5b7d2f90a1c4"
#define L "019ca8bb-f15e-7b21-9d4f-6c8e30a1b2d5"

#define R_SEGMENT "20260301T093015250000Z" R
#define L_SEGMENT "20260301T093015262000Z" L
#define R_START   G_GINT64_CONSTANT (1772357415250000)

static char *
dup_path (LsobsRemoteParent *parent)
{
  g_autoptr (GString) path = g_string_new (NULL);

  for (guint i = 0; i < parent->segments->len; i++)
    {
      char text[LSOBS_SEGMENT_LEN + 1] = "";

      _lsobs_segment_write (&g_array_index (parent->segments, LsobsSegment, i), text);
      g_string_append_printf (path, "%s%s", i > 0 ? "." : "", text);
    }
  return g_string_free (g_steal_pointer (&path), FALSE);
}

/* Traces */

typedef struct
{
  const char *path;
  const char *header;
  const char *expected; /* or NULL when there is nothing to go on with */
} TraceRow;

static const TraceRow trace_rows[] = {
  { "root", R_SEGMENT, R_SEGMENT },
  { "child", R_SEGMENT "." L_SEGMENT, R_SEGMENT "." L_SEGMENT },
  { "space", " \t" R_SEGMENT "\r\n ", R_SEGMENT },
  { "six-digits", "20260102T030405000007Z" R, "20260102T030405000007Z" R },
  { "three-digits", "20260301T093015250Z" R, R_SEGMENT },
  { "one-digit", "20260301T093015.2Z" R, NULL },
  { "one-digit-rewritten", "20260301T0930152Z" R, "20260301T093015200000Z" R },
  { "five-digits-and-six", "20260301T09301525000Z" R "." L_SEGMENT, R_SEGMENT "." L_SEGMENT },
  { "upper-case", "20260301T093015250000Z019CA8BB-F152-7A10-8C3E-5B7D2F90A1C4", R_SEGMENT },
  { "version-4", "20260301T093015250000Zd7f2a1b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b",
    "20260301T093015250000Zd7f2a1b0-1c2d-4e3f-8a9b-0c1d2e3f4a5b" },
  { "same-time", R_SEGMENT ".20260301T093015250000Z" L, R_SEGMENT ".20260301T093015250000Z" L },
  { "first-moment", "19700101T000000000000Z" R, "19700101T000000000000Z" R },
  { "last-moment", "99991231T235959999999Z" R, "99991231T235959999999Z" R },
  { "none", NULL, NULL },
  { "empty", "", NULL },
  { "only-space", "  ", NULL },
  { "garbage", "garbage", NULL },
  { "id-alone", R, NULL },
  { "no-digits", "20260301T093015Z" R, NULL },
  { "seven-digits", "20260301T0930152500000Z" R, NULL },
  { "nine-digits", "20251208T144553541735000Z" R, NULL },
  { "no-zone", "20260301T093015250000" R, NULL },
  { "other-zone", "20260301T093015250000+" R, NULL },
  { "no-such-day", "20260230T093015250000Z" R, NULL },
  { "no-such-hour", "20260301T240000000000Z" R, NULL },
  { "before-1970", "19691231T235959999999Z" R, NULL },
  { "year-0", "00000101T000000000000Z" R, NULL },
  { "sign", "-0260301T093015250000Z" R, NULL },
  { "letters", "2026O301T093015250000Z" R, NULL },
  { "short-id", "20260301T093015250000Z019ca8bb-f152-7a10-8c3e-5b7d2f90a1c", NULL },
  { "long-id", "20260301T093015250000Z" R "0", NULL },
  { "no-hyphens", "20260301T093015250000Z019ca8bbf1527a108c3e5b7d2f90a1c4    ", NULL },
  { "braces", "20260301T093015250000Z{19ca8bb-f152-7a10-8c3e-5b7d2f90a1c}", NULL },
  { "dot-after", R_SEGMENT ".", NULL },
  { "dot-before", "." R_SEGMENT, NULL },
  { "two-dots", R_SEGMENT ".." L_SEGMENT, NULL },
  { "space-inside", R_SEGMENT ". " L_SEGMENT, NULL },
  { "comma", R_SEGMENT ", " R_SEGMENT, NULL },
  { "earlier-than-parent", L_SEGMENT "." R_SEGMENT, NULL },
  { "one-microsecond-earlier", R_SEGMENT ".20260301T093015249999Z" L, NULL },
  { "not-utf-8", "\xff\xfe" R_SEGMENT, NULL },
};

static void
test_trace (gconstpointer data)
{
  const TraceRow *row = data;
  g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (row->header, NULL);
  g_autofree char *path = parent != NULL ? dup_path (parent) : NULL;

  g_assert_cmpstr (path, ==, row->expected);
}

static char *
make_path (guint n_segments)
{
  g_autoptr (GString) path = g_string_new (R_SEGMENT);

  for (guint i = 1; i < n_segments; i++)
    g_string_append_printf (path, ".20260301T0930152%05uZ" L, 50000 + i);
  return g_string_free (g_steal_pointer (&path), FALSE);
}

static void
test_depth (void)
{
  g_autofree char *deepest = make_path (100);
  g_autofree char *too_deep = make_path (101);
  g_autofree char *deepest_padded = g_strdup_printf ("%8192s", deepest);
  g_autofree char *too_long = g_strdup_printf ("%8193s", deepest);
  g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (deepest, NULL);
  g_autoptr (LsobsRemoteParent) padded = _lsobs_remote_parent_parse (deepest_padded, NULL);
  g_autofree char *path = NULL;

  g_assert_nonnull (parent);
  g_assert_nonnull (padded);
  path = dup_path (parent);
  g_assert_cmpstr (path, ==, deepest);
  g_assert_null (_lsobs_remote_parent_parse (too_deep, NULL));
  g_assert_null (_lsobs_remote_parent_parse (too_long, NULL));
}

/* Baggage that comes in */

/* Everything that was understood, as one line. */
static char *
describe (LsobsRemoteParent *parent)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (JsonNode) node = NULL;

  if (parent->metadata != NULL)
    {
      g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

      node = json_node_init_object (json_node_alloc (), parent->metadata);
      g_assert_true (_lsobs_json_write_node (&out, node, G_MAXSIZE));
      g_string_append_printf (text, "%.*s ", (int) out.len, out.data);
    }
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    g_string_append_printf (text, "#%s ", (char *) parent->tags->pdata[i]);
  if (parent->target != NULL)
    g_string_append_printf (text, "%c%s ", parent->target->is_address ? '~' : '@',
                            parent->target->name);
  return g_string_free (g_steal_pointer (&text), FALSE);
}

typedef struct
{
  const char *path;
  const char *header;
  const char *expected;
} BaggageRow;

static const BaggageRow baggage_rows[] = {
  { "none", NULL, "" },
  { "empty", "", "" },
  { "commas", ",,, ,", "" },
  { "foreign", "foo=1,bar=%20", "" },
  { "everything",
    "langsmith-metadata=%7B%22thread_id%22%3A%22t-77%22%7D,langsmith-tags=prod,langsmith-project=helpdesk",
    "{\"thread_id\":\"t-77\"} #prod @helpdesk " },
  { "mixed", " foo=1 , langsmith-project=my%20proj;p=1,langsmith-tags=a%2Cb,junk",
    "#a #b @my proj " },
  { "properties", "langsmith-project=a;b=c;d , langsmith-tags = x ; y=z", "#x @a " },
  { "property-of-foreign", "foo;langsmith-project=a,langsmith-tags=b", "#b " },
  { "tabs", "\tlangsmith-project\t=\ta b\t", "@a b " },
  { "second-equals-sign", "langsmith-project=a=b", "@a=b " },
  { "lower-case-escapes", "langsmith-project=%c3%bc%2f", "@\xc3\xbc/ " },
  { "plus", "langsmith-project=a+b", "@a+b " },
  { "raw-utf-8", "langsmith-project=\xc3\xbc", "@\xc3\xbc " },
  { "key-in-upper-case", "Langsmith-Project=a", "" },
  { "longer-key", "langsmith-projects=a,langsmith-projec=b", "" },
  { "no-value", "langsmith-project,langsmith-tags,langsmith-metadata", "" },
  { "empty-values", "langsmith-project=,langsmith-tags=,langsmith-metadata=", "" },
  { "empty-key", "=a,langsmith-project=b", "@b " },
  /* The last one that makes sense stands. */
  { "twice", "langsmith-project=a,langsmith-project=b", "@b " },
  { "twice-then-bad", "langsmith-project=a,langsmith-project=%", "@a " },
  { "cut-escape", "langsmith-project=a%,langsmith-tags=b", "#b " },
  { "cut-escape-of-one", "langsmith-project=a%2,langsmith-tags=b", "#b " },
  { "no-hex", "langsmith-project=a%2gb,langsmith-tags=b", "#b " },
  { "signed-hex", "langsmith-project=a%+1b,langsmith-tags=b", "#b " },
  { "nul", "langsmith-project=a%00b,langsmith-tags=a%00b,langsmith-metadata=%7B%7D%00", "" },
  { "not-utf-8",
    "langsmith-project=%ff,langsmith-tags=%c3,langsmith-metadata=%7B%22a%22:%22%ff%22%7D", "" },
  { "raw-not-utf-8", "langsmith-project=\xff,langsmith-tags=a", "#a " },
  { "surrogate", "langsmith-tags=%ed%a0%80,langsmith-project=a", "@a " },
  { "line-break-in-project", "langsmith-project=a%0d%0ab", "" },
  { "delete-in-project", "langsmith-project=a%7fb", "" },
  { "empty-tags", "langsmith-tags=%2C%2Ca%2C%2Cb%2C", "#a #b " },
  { "same-tags", "langsmith-tags=a%2Cb%2Ca", "#a #b " },
  { "tags-with-space", "langsmith-tags=x%2Cy%20z%2Ccaf%C3%A9", "#x #y z #caf\xc3\xa9 " },
  { "empty-object", "langsmith-metadata=%7B%7D", "{} " },
  { "raw-json", "langsmith-metadata={\"a\":1}", "{\"a\":1} " },
  { "spaces-in-json", "langsmith-metadata=%7B%22a%22%3A%20%5B1%2C%202%5D%7D", "{\"a\":[1,2]} " },
  { "array", "langsmith-metadata=%5B1%5D,langsmith-tags=a", "#a " },
  { "string", "langsmith-metadata=%22a%22", "" },
  { "null", "langsmith-metadata=null", "" },
  { "no-json", "langsmith-metadata=%7B,langsmith-tags=a", "#a " },
  { "json-and-more", "langsmith-metadata=%7B%7D%7B%7D", "" },
  { "same-member-twice", "langsmith-metadata=%7B%22a%22%3A1%2C%22a%22%3A2%7D", "{\"a\":2} " },
  { "escaped-nul", "langsmith-metadata=%7B%22a%22%3A%22%5Cu0000%22%7D",
    "{\"a\":\"\xef\xbf\xbd\"} " },
  { "sample-rate", "langsmith-metadata=%7B%22ls_tracing_sample_rate%22%3A0.5%2C%22a%22%3A1%7D",
    "{\"a\":1} " },
  { "usage",
    "langsmith-metadata=%7B%22usage_metadata%22%3A%7B%22total_tokens%22%3A9%7D%2C%22a%22%3A1%7D",
    "{\"a\":1} " },
  { "address", "langsmith-address=lrn%3Aagents%2Fsupport%2Fenvironments%2Fstaging",
    "~lrn:agents/support/environments/staging " },
  { "address-raw", "langsmith-address = lrn:agents/support/environments/staging ;p=1",
    "~lrn:agents/support/environments/staging " },
  { "address-upper-case", "langsmith-address=lrn:agents/support/environments/STAGING",
    "~lrn:agents/support/environments/staging " },
  { "address-twice",
    "langsmith-address=lrn:agents/a/environments/local,langsmith-address=lrn:agents/b/environments/local",
    "~lrn:agents/b/environments/local " },
  { "address-then-bad",
    "langsmith-address=lrn:agents/a/environments/local,langsmith-address=lrn:agents/B/environments/local",
    "~lrn:agents/a/environments/local " },
  /* What is no address does not count, not even beside a project. */
  { "address-bad-and-project", "langsmith-address=support,langsmith-project=p", "@p " },
  { "address-and-bad-project",
    "langsmith-project=%00,langsmith-address=lrn:agents/a/environments/local",
    "~lrn:agents/a/environments/local " },
  { "replicas",
    "langsmith-replicas=%5B%7B%22api_url%22%3A%22http%3A//evil%22%2C%22project_name%22%3A%22x%22%7D%5D,"
    "langsmith-project=a",
    "@a " },
};

static void
test_baggage (gconstpointer data)
{
  const BaggageRow *row = data;
  g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (R_SEGMENT, row->header);
  g_autofree char *text = NULL;

  g_assert_nonnull (parent);
  text = describe (parent);
  g_assert_cmpstr (text, ==, row->expected);
}

static const char *const bad_addresses[] = {
  "",
  "support",
  "lrn:agents/Bad/environments/production",
  "lrn:agents/-a/environments/local",
  "lrn:agents/a-/environments/local",
  "lrn:agents/9a/environments/local",
  "lrn:agents/a_b/environments/local",
  "lrn:agents/a/environments/nope",
  "lrn:agents//environments/production",
  "lrn:agents/a/environments/",
  "lrn:agents/a/b/environments/local",
  "lrn:agents/a/environments/local/extra",
  "lrn:agents/a/environments/local%0A",
  "lrn:agents/a/environments/local%00",
  "lrn:agents/a%2C/environments/local",
  "LRN:agents/a/environments/local",
  /* 64 characters */
  "lrn:agents/a123456789012345678901234567890123456789012345678901234567890123/environments/local",
};

static void
test_bad_addresses (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad_addresses); i++)
    {
      g_autofree char *header = g_strconcat ("langsmith-address=", bad_addresses[i], NULL);
      g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (R_SEGMENT, header);

      g_assert_nonnull (parent);
      g_assert_null (parent->target);
    }
}

/* To follow such headers would file the trace in two places. */
static void
test_both_destinations (void)
{
  g_assert_null (_lsobs_remote_parent_parse (
      R_SEGMENT, "langsmith-project=p,langsmith-address=lrn:agents/a/environments/local"));
  g_assert_null (_lsobs_remote_parent_parse (
      R_SEGMENT, "langsmith-address=lrn:agents/a/environments/local,a=1,langsmith-project=p;q=1"));
}

static char *
repeat (const char *text, guint n)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint i = 0; i < n; i++)
    g_string_append (out, text);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static char *
read_baggage (const char *header)
{
  g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (R_SEGMENT, header);

  g_assert_nonnull (parent);
  return describe (parent);
}

static void
test_baggage_length (void)
{
  g_autofree char *longest = g_strdup_printf ("%8170slangsmith-project=aaaa", "");
  g_autofree char *too_long = g_strdup_printf (" %s", longest);
  g_autofree char *read = NULL;
  g_autofree char *not_read = NULL;

  g_assert_cmpuint (strlen (longest), ==, 8192);
  read = read_baggage (longest);
  g_assert_cmpstr (read, ==, "@aaaa ");
  not_read = read_baggage (too_long);
  g_assert_cmpstr (not_read, ==, "");
}

static void
test_project_length (void)
{
  g_autofree char *name = repeat ("x", 1000);
  g_autofree char *header = g_strconcat ("langsmith-project=", name, NULL);
  g_autofree char *longer = g_strconcat (header, "x", NULL);
  g_autofree char *expected = g_strconcat ("@", name, " ", NULL);
  g_autofree char *read = read_baggage (header);
  g_autofree char *not_read = read_baggage (longer);

  g_assert_cmpstr (read, ==, expected);
  g_assert_cmpstr (not_read, ==, "");
}

static void
test_many_tags (void)
{
  g_autoptr (GString) header = g_string_new ("langsmith-tags=0");
  g_autoptr (LsobsRemoteParent) parent = NULL;

  for (guint i = 1; i < 300; i++)
    g_string_append_printf (header, "%%2C%u", i);
  parent = _lsobs_remote_parent_parse (R_SEGMENT, header->str);
  g_assert_cmpuint (parent->tags->len, ==, 100);
  g_assert_cmpstr (parent->tags->pdata[99], ==, "99");
}

static void
test_many_metadata (gconstpointer data)
{
  guint n = GPOINTER_TO_UINT (data);
  g_autoptr (GString) header = g_string_new ("langsmith-metadata={\"0\":0");
  g_autoptr (LsobsRemoteParent) parent = NULL;

  for (guint i = 1; i < n; i++)
    g_string_append_printf (header, "%%2C\"%u\":0", i);
  g_string_append_c (header, '}');
  parent = _lsobs_remote_parent_parse (R_SEGMENT, header->str);
  if (n <= 100)
    g_assert_cmpuint (json_object_get_size (parent->metadata), ==, n);
  else
    g_assert_null (parent->metadata);
}

/* Whoever reads it must not go down as far as it goes. */
static void
test_deep_metadata (void)
{
  g_autofree char *opening = repeat ("[", 4000);
  g_autofree char *closing = repeat ("]", 4000);
  g_autofree char *header = g_strconcat ("langsmith-metadata={\"a\":", opening, closing, "}", NULL);
  g_autofree char *broken = g_strconcat ("langsmith-metadata={\"a\":", opening, "}", NULL);
  g_autofree char *text = read_baggage (header);
  g_autofree char *nothing = read_baggage (broken);

  g_assert_nonnull (strstr (text, "[DEPTH LIMIT]"));
  g_assert_cmpuint (strlen (text), <, 400);
  g_assert_cmpstr (nothing, ==, "");
}

/* Anything at all: what is understood obeys the rules, and nothing breaks. */

static const char *const pieces[] = {
  "langsmith-metadata",
  "langsmith-tags",
  "langsmith-project",
  "langsmith-replicas",
  "=",
  "=",
  ",",
  ",",
  ";",
  " ",
  "\t",
  "%",
  "%2C",
  "%7B",
  "%7D",
  "%22",
  "%3A",
  "%5B",
  "%5D",
  "%00",
  "%ff",
  "%C3%BC",
  "{",
  "}",
  "[",
  "]",
  "\"",
  ":",
  "a",
  "0",
  "-",
  "1e999",
  "\\u0000",
  "\\ud800",
  "\xff",
  "\xc3\xbc",
  "null",
  "{\"a\":1}",
  "%7B%22a%22%3A1%7D",
  ".",
  "Z",
  "T",
  R,
  L,
  R_SEGMENT,
  L_SEGMENT,
  "20260301T093015Z",
  "20260301T0930151Z" R,
  "99999999T999999999999Z" R,
};

static char *
make_garbage (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  int n = g_test_rand_int_range (0, 40);

  for (int i = 0; i < n; i++)
    {
      if (g_test_rand_int_range (0, 20) == 0)
        g_string_append_c (text, (char) g_test_rand_int_range (1, 256));
      else
        g_string_append (text, pieces[g_test_rand_int_range (0, G_N_ELEMENTS (pieces))]);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_sane (LsobsRemoteParent *parent)
{
  gint64 before = 0;

  g_assert_cmpuint (parent->segments->len, >, 0);
  g_assert_cmpuint (parent->segments->len, <=, LSOBS_MAX_REMOTE_DEPTH);
  for (guint i = 0; i < parent->segments->len; i++)
    {
      LsobsSegment *segment = &g_array_index (parent->segments, LsobsSegment, i);

      g_assert_cmpint (segment->start_time, >=, before);
      before = segment->start_time;
    }
  for (guint i = 0; parent->tags != NULL && i < parent->tags->len; i++)
    {
      g_assert_cmpstr (parent->tags->pdata[i], !=, "");
      g_assert_true (g_utf8_validate (parent->tags->pdata[i], -1, NULL));
    }
  if (parent->target != NULL)
    {
      g_assert_cmpstr (parent->target->name, !=, "");
      g_assert_true (g_utf8_validate (parent->target->name, -1, NULL));
    }
}

static void
test_garbage (void)
{
  guint n_parents = 0;

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *trace = make_garbage ();
      g_autofree char *baggage = make_garbage ();
      g_autofree char *foreign = _lsobs_baggage_dup_other (baggage);
      g_autoptr (LsobsRemoteParent) parent = NULL;
      g_autoptr (LsobsRemoteParent) rest = NULL;
      g_autofree char *text = NULL;

      parent = _lsobs_remote_parent_parse (i % 2 == 0 ? trace : R_SEGMENT, baggage);
      if (parent != NULL)
        {
          n_parents++;
          assert_sane (parent);
        }
      /* Nothing of ours is left in what is somebody else's. */
      rest = _lsobs_remote_parent_parse (R_SEGMENT, foreign);
      text = describe (rest);
      g_assert_cmpstr (text, ==, "");
    }
  g_assert_cmpuint (n_parents, >=, 10000);
}

/* A good header with one flaw. */
static void
test_mutations (void)
{
  static const char good[] = R_SEGMENT "." L_SEGMENT;

  for (gsize i = 0; i < strlen (good); i++)
    for (guint c = 1; c < 256; c++)
      {
        char text[sizeof good];
        g_autoptr (LsobsRemoteParent) parent = NULL;

        memcpy (text, good, sizeof good);
        text[i] = (char) c;
        parent = _lsobs_remote_parent_parse (text, NULL);
        if (parent != NULL)
          assert_sane (parent);
      }
  for (gsize i = 0; i < strlen (good); i++)
    {
      g_autofree char *text = g_strndup (good, i);
      g_autoptr (LsobsRemoteParent) parent = _lsobs_remote_parent_parse (text, NULL);

      g_assert_cmpint (parent != NULL, ==, i == strlen (R_SEGMENT));
    }
}

/* Baggage that goes out */

static void
add_metadatum (LsobsBaggage *baggage, const char *member)
{
  g_assert_true (_lsobs_baggage_add_metadatum (baggage, member, strlen (member)));
}

static void
assert_written (LsobsBaggage *baggage, const char *expected)
{
  g_autofree char *text = _lsobs_baggage_write (baggage);

  g_assert_cmpstr (text, ==, expected);
}

static gboolean
set_project (LsobsBaggage *baggage, const char *name)
{
  g_autoptr (LsobsTarget) target = _lsobs_target_new_project (name);

  return _lsobs_baggage_set_target (baggage, target);
}

static void
test_write (void)
{
  g_auto (LsobsBaggage) nothing = LSOBS_BAGGAGE_INIT (100);
  g_auto (LsobsBaggage) all = LSOBS_BAGGAGE_INIT (LSOBS_MAX_BAGGAGE_BYTES);
  g_auto (LsobsBaggage) encoded = LSOBS_BAGGAGE_INIT (LSOBS_MAX_BAGGAGE_BYTES);
  g_auto (LsobsBaggage) plain = LSOBS_BAGGAGE_INIT (LSOBS_MAX_BAGGAGE_BYTES);

  assert_written (&nothing, NULL);
  g_assert_true (_lsobs_baggage_add_tag (&nothing, ""));
  assert_written (&nothing, NULL);

  /* The order is that of the protocol, whatever came first. */
  g_assert_true (set_project (&all, "helpdesk"));
  g_assert_true (_lsobs_baggage_add_tag (&all, "prod"));
  add_metadatum (&all, "\"thread_id\":\"t-77\"");
  assert_written (&all, "langsmith-metadata=%7B%22thread_id%22%3A%22t-77%22%7D,langsmith-tags=prod,"
                        "langsmith-project=helpdesk");

  add_metadatum (&encoded, "\"k\":\"a,b=c/\xc3\xbc\"");
  assert_written (&encoded, "langsmith-metadata=%7B%22k%22%3A%22a%2Cb%3Dc%2F%C3%BC%22%7D");
  add_metadatum (&encoded, "\"l\":[1]");
  g_assert_true (_lsobs_baggage_add_tag (&encoded, "a b"));
  g_assert_true (_lsobs_baggage_add_tag (&encoded, "c\r\n;"));
  assert_written (&encoded,
                  "langsmith-metadata=%7B%22k%22%3A%22a%2Cb%3Dc%2F%C3%BC%22%2C%22l%22%3A%5B1%5D%7D,"
                  "langsmith-tags=a%20b%2Cc%0D%0A%3B");

  g_assert_true (set_project (&plain, "AZaz09-_.~!*'()+/"));
  assert_written (&plain, "langsmith-project=AZaz09-_.~%21%2A%27%28%29%2B%2F");
}

/* For each room there is: what is in fits, and what is not in would not have. */
static void
test_write_room (void)
{
  static const char full[] =
      "langsmith-metadata=%7B%22a%22%3A1%2C%22b%22%3A2%7D,langsmith-tags=x%2Cy,langsmith-project=p";

  for (gsize room = 0; room <= strlen (full) + 1; room++)
    {
      g_auto (LsobsBaggage) baggage = LSOBS_BAGGAGE_INIT (room);
      guint n_added = 0;
      g_autofree char *text = NULL;

      n_added += set_project (&baggage, "p") ? 1 : 0;
      n_added += _lsobs_baggage_add_metadatum (&baggage, "\"a\":1", 5) ? 1 : 0;
      n_added += _lsobs_baggage_add_metadatum (&baggage, "\"b\":2", 5) ? 1 : 0;
      n_added += _lsobs_baggage_add_tag (&baggage, "x") ? 1 : 0;
      n_added += _lsobs_baggage_add_tag (&baggage, "y") ? 1 : 0;
      text = _lsobs_baggage_write (&baggage);
      g_assert_cmpint (text != NULL, ==, n_added > 0);
      g_assert_cmpuint (text != NULL ? strlen (text) : 0, <=, room);
      g_assert_cmpint (n_added == 5, ==, room >= strlen (full));
      if (n_added == 5)
        g_assert_cmpstr (text, ==, full);
    }
}

/* What goes out comes in again. */
static void
test_round_trip (void)
{
  for (guint i = 0; i < 2000; i++)
    {
      g_auto (LsobsBaggage) baggage = LSOBS_BAGGAGE_INIT (LSOBS_MAX_BAGGAGE_BYTES);
      g_autofree char *garbage = make_garbage ();
      g_autofree char *text = g_utf8_make_valid (garbage, -1);
      g_autofree char *header = NULL;
      g_autoptr (LsobsRemoteParent) parent = NULL;
      g_auto (LsobsBuffer) member = LSOBS_BUFFER_INIT;

      g_strdelimit (text, ",\x7f\n\r\t", '_');
      for (char *p = text; *p != '\0'; p++)
        if ((guchar) *p < 0x20)
          *p = '_';
      if (*text == '\0' || strlen (text) > 300)
        continue;
      _lsobs_buffer_append_str (&member, "\"key\":");
      _lsobs_json_write_string (&member, text, strlen (text));
      g_assert_true (set_project (&baggage, text));
      g_assert_true (_lsobs_baggage_add_tag (&baggage, text));
      g_assert_true (_lsobs_baggage_add_metadatum (&baggage, member.data, member.len));
      header = _lsobs_baggage_write (&baggage);
      parent = _lsobs_remote_parent_parse (R_SEGMENT, header);
      g_assert_cmpstr (parent->target->name, ==, text);
      g_assert_cmpuint (parent->tags->len, ==, 1);
      g_assert_cmpstr (parent->tags->pdata[0], ==, text);
      g_assert_cmpstr (json_object_get_string_member (parent->metadata, "key"), ==, text);
    }
}

static const BaggageRow foreign_rows[] = {
  { "empty", "", NULL },
  { "nothing", " , ,", NULL },
  { "foreign", "foo=1", "foo=1" },
  { "properties", " foo=1;p ,bar = 2", "foo=1;p,bar = 2" },
  { "own", "langsmith-project=a", NULL },
  { "mixed", "foo=1,langsmith-project=a;p=1, langsmith-tags =b,bar=2,langsmith-metadata=%7B%7D",
    "foo=1,bar=2" },
  { "replicas", "langsmith-replicas=1", NULL },
  { "address", "langsmith-address=lrn%3Aagents%2Fa%2Fenvironments%2Flocal,foo=1", "foo=1" },
  { "not-known", "langsmith-what-comes-next=1,foo=1", "foo=1" },
  { "upper-case", "LANGSMITH-PROJECT=a,Langsmith-Address=b,foo=1", "foo=1" },
  { "white-space", "\tlangsmith-address\t=\ta ;p=1 ;q , foo = 1 ", "foo = 1" },
  { "doubled", "langsmith-address=a,foo=1,langsmith-address=b,foo=1,langsmith-project=c",
    "foo=1,foo=1" },
  { "broken-escapes", "langsmith-address=%,foo=%zz,langsmith-replicas=%5", "foo=%zz" },
  { "only-the-prefix", "langsmith-=1,langsmith=2,langsmith", "langsmith=2,langsmith" },
  { "no-key", "langsmith-address;p=1,;langsmith-project=a,=langsmith-project",
    ";langsmith-project=a,=langsmith-project" },
  { "in-a-value", "foo=langsmith-project,bar=1;langsmith-address=2",
    "foo=langsmith-project,bar=1;langsmith-address=2" },
  { "similar", "x-langsmith-project=1,langsmithproject=2",
    "x-langsmith-project=1,langsmithproject=2" },
  { "no-value", "foo,langsmith-tags", "foo" },
};

static void
test_foreign (gconstpointer data)
{
  const BaggageRow *row = data;
  g_autofree char *text = _lsobs_baggage_dup_other (row->header);

  g_assert_cmpstr (text, ==, row->expected);
}

#define ADD_ROWS(prefix, rows, func) TEST_ADD_ROWS (prefix, rows, path, func)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD_ROWS ("/propagation/trace/", trace_rows, test_trace);
  g_test_add_func ("/propagation/depth", test_depth);
  ADD_ROWS ("/propagation/baggage/", baggage_rows, test_baggage);
  g_test_add_func ("/propagation/bad-addresses", test_bad_addresses);
  g_test_add_func ("/propagation/both-destinations", test_both_destinations);
  g_test_add_func ("/propagation/baggage-length", test_baggage_length);
  g_test_add_func ("/propagation/project-length", test_project_length);
  g_test_add_func ("/propagation/many-tags", test_many_tags);
  g_test_add_data_func ("/propagation/many-metadata/100", GUINT_TO_POINTER (100),
                        test_many_metadata);
  g_test_add_data_func ("/propagation/many-metadata/101", GUINT_TO_POINTER (101),
                        test_many_metadata);
  g_test_add_func ("/propagation/deep-metadata", test_deep_metadata);
  g_test_add_func ("/propagation/garbage", test_garbage);
  g_test_add_func ("/propagation/mutations", test_mutations);
  g_test_add_func ("/propagation/write", test_write);
  g_test_add_func ("/propagation/write-room", test_write_room);
  g_test_add_func ("/propagation/round-trip", test_round_trip);
  ADD_ROWS ("/propagation/foreign/", foreign_rows, test_foreign);

  return g_test_run ();
}
