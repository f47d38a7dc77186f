/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "lsobs/core/lsobs-secret-private.h"
#include "lsobs/text/lsobs-redactor-private.h"
#include "lsobs/text/lsobs-secret-rules-private.h"

#include "tools/doctor/finding.h"
#include "tools/terminal/plain-text.h"

/* A shorter text may be part of any word. */
#define MIN_SECRET 6

/* Below this, there are no columns. */
#define WIDE_COLUMNS 72
#define INDENT       4

typedef struct
{
  FindingTopic topic;
  FindingLevel level;
  char *text;         /* (owned) */
  char *advice;       /* (owned) (nullable) */
  JsonObject *values; /* (owned) */
} Finding;

struct _Report
{
  GPtrArray *findings;     /* (owned) (element-type Finding) */
  guint n_printed;         /* the first of them are printed */
  LsobsRedactor *redactor; /* (owned) */
  GPtrArray *secrets;      /* (owned) (element-type utf8) */
};

static const struct
{
  const char *name;  /* in JSON */
  const char *title; /* marked with N_ () */
} topics[FINDING_N_TOPICS] = {
  [FINDING_VARIABLES] = { "variables", N_ ("variables") },
  [FINDING_TRACING] = { "tracing", N_ ("tracing") },
  [FINDING_PROFILE] = { "profile", N_ ("profile") },
  [FINDING_KEY] = { "key", N_ ("key") },
  [FINDING_ENDPOINT] = { "endpoint", N_ ("endpoint") },
  /* TRANSLATORS: the protocol */
  [FINDING_TLS] = { "tls", N_ ("TLS") },
  [FINDING_PROXY] = { "proxy", N_ ("proxy") },
  [FINDING_CLOCK] = { "clock", N_ ("clock") },
  [FINDING_SERVICE] = { "service", N_ ("service") },
  /* TRANSLATORS: whether the service takes the key */
  [FINDING_ACCESS] = { "access", N_ ("access") },
  /* TRANSLATORS: whether the key may write traces */
  [FINDING_WRITING] = { "writing", N_ ("writing") },
  [FINDING_PROJECT] = { "project", N_ ("project") },
  /* TRANSLATORS: what one request may hold */
  [FINDING_LIMITS] = { "limits", N_ ("limits") },
  /* TRANSLATORS: the folder in which traces wait for the service */
  [FINDING_SPOOL] = { "spool", N_ ("spool") },
  [FINDING_FAILED_TRACES] = { "failed-traces", N_ ("failed traces") },
  /* TRANSLATORS: the database of “lsobs serve” */
  [FINDING_STORE] = { "store", N_ ("store") },
  [FINDING_SERVE] = { "serve", N_ ("lsobs serve") },
};

static const struct
{
  const char *name;  /* in JSON */
  const char *title; /* marked with N_ () */
  const char *sign;
  ScreenStyle style;
} levels[] = {
  [FINDING_OK] = { "ok", N_ ("ok"), "✓", SCREEN_GOOD },
  [FINDING_WARNING] = { "warning", N_ ("warning"), "!", SCREEN_BUSY },
  [FINDING_FAILURE] = { "failure", N_ ("failure"), "✗", SCREEN_BAD },
};

static void
finding_free (gpointer data)
{
  Finding *finding = data;

  g_free (finding->text);
  g_free (finding->advice);
  json_object_unref (finding->values);
  g_free (finding);
}

static void
free_secret (gpointer secret)
{
  _lsobs_secret_free (secret);
}

Report *
report_new (void)
{
  Report *self = g_new0 (Report, 1);

  self->findings = g_ptr_array_new_with_free_func (finding_free);
  self->secrets = g_ptr_array_new_with_free_func (free_secret);
  self->redactor = _lsobs_redactor_new ();
  _lsobs_redactor_add_secrets (self->redactor);
  return self;
}

void
report_free (Report *self)
{
  g_ptr_array_unref (self->findings);
  g_ptr_array_unref (self->secrets);
  _lsobs_redactor_free (self->redactor);
  g_free (self);
}

void
report_hide (Report *self, const char *secret)
{
  if (strlen (secret) >= MIN_SECRET)
    g_ptr_array_add (self->secrets, g_strdup (secret));
}

/* Returns: (transfer full) */
static char *
dup_without_secrets (Report *self, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) out = g_string_new (valid);
  char *redacted;

  for (guint i = 0; i < self->secrets->len; i++)
    g_string_replace (out, g_ptr_array_index (self->secrets, i), LSOBS_SECRET_DETECTED, 0);
  redacted = _lsobs_redactor_apply_text (self->redactor, out->str);
  return redacted != NULL ? redacted : g_strdup (LSOBS_SECRET_DETECTED);
}

JsonObject *
report_add (Report *self,
            FindingTopic topic,
            FindingLevel level,
            const char *text,
            const char *advice)
{
  Finding *finding = g_new0 (Finding, 1);

  finding->topic = topic;
  finding->level = level;
  finding->text = dup_without_secrets (self, text);
  finding->advice = advice != NULL ? dup_without_secrets (self, advice) : NULL;
  finding->values = json_object_new ();
  g_ptr_array_add (self->findings, finding);
  return finding->values;
}

gboolean
report_has (Report *self, FindingTopic topic)
{
  for (guint i = 0; i < self->findings->len; i++)
    if (((Finding *) g_ptr_array_index (self->findings, i))->topic == topic)
      return TRUE;
  return FALSE;
}

gboolean
report_has_failure (Report *self, FindingTopic topic)
{
  for (guint i = 0; i < self->findings->len; i++)
    {
      const Finding *finding = g_ptr_array_index (self->findings, i);

      if (finding->topic == topic && finding->level == FINDING_FAILURE)
        return TRUE;
    }
  return FALSE;
}

static guint
count_level (Report *self, FindingLevel level)
{
  guint n = 0;

  for (guint i = 0; i < self->findings->len; i++)
    n += ((Finding *) g_ptr_array_index (self->findings, i))->level == level;
  return n;
}

FindingLevel
report_get_worst (Report *self)
{
  if (count_level (self, FINDING_FAILURE) > 0)
    return FINDING_FAILURE;
  return count_level (self, FINDING_WARNING) > 0 ? FINDING_WARNING : FINDING_OK;
}

/* --- a terminal --- */

/* Appends @text and spaces up to @columns. */
static void
append_cell (GString *out, const char *text, guint columns)
{
  guint width = plain_text_append (out, text, columns);

  g_string_append_printf (out, "%*s", (int) (columns - width), "");
}

/* Appends the lines of a text. The first one follows what is in the line already.
 * @indent: columns before each further line */
static void
append_text (GString *out, const Screen *screen, guint indent, const char *text)
{
  g_autofree char *spaces = g_strnfill (indent, ' ');
  g_autoptr (GString) lines = g_string_new (NULL);

  plain_text_append_lines (lines, text, spaces, MAX (screen->columns, indent + 20) - indent,
                           PLAIN_TEXT_ALL);
  g_string_append (out, lines->str + indent);
}

static guint
measure_topics (void)
{
  guint width = 0;

  for (guint i = 0; i < FINDING_N_TOPICS; i++)
    width = MAX (width, plain_text_measure (_ (topics[i].title)));
  return width;
}

static guint
measure_levels (void)
{
  guint width = 0;

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    width = MAX (width, plain_text_measure (_ (levels[i].title)));
  return width;
}

/* The columns of the text follow those of the level and the topic. Returns: how many are before it */
static guint
append_wide (GString *out, const Screen *screen, const Finding *finding)
{
  guint level_width = measure_levels ();
  guint topic_width = measure_topics ();
  guint indent = 2 + level_width + 2 + topic_width + 2;

  screen_append_style (screen, out, levels[finding->level].style);
  g_string_append (out, levels[finding->level].sign);
  g_string_append_c (out, ' ');
  append_cell (out, _ (levels[finding->level].title), level_width);
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append (out, "  ");
  screen_append_style (screen, out, SCREEN_STRONG);
  append_cell (out, _ (topics[finding->topic].title), topic_width);
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append (out, "  ");
  append_text (out, screen, indent, finding->text);
  return indent;
}

/* All is one text, of which only the first line is not indented. */
static guint
append_narrow (GString *out, const Screen *screen, const Finding *finding)
{
  g_autofree char *level =
      g_strdup_printf ("%s %s", levels[finding->level].sign, _ (levels[finding->level].title));
  g_autofree char *found =
      /* TRANSLATORS: the first %s: what was checked, such as “endpoint”; the second one: what was found */
      g_strdup_printf (_ ("%s: %s"), _ (topics[finding->topic].title), finding->text);
  g_autofree char *text = g_strdup_printf ("%s %s", level, found);
  g_autoptr (GString) lines = g_string_new (NULL);

  append_text (lines, screen, INDENT, text);
  screen_append_style (screen, out, levels[finding->level].style);
  g_string_append (out, level);
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append (out, lines->str + strlen (level));
  return INDENT;
}

static void
append_finding (GString *out, const Screen *screen, const Finding *finding)
{
  guint indent = screen->columns >= WIDE_COLUMNS ? append_wide (out, screen, finding)
                                                 : append_narrow (out, screen, finding);

  if (finding->advice != NULL)
    {
      g_string_append_printf (out, "%*s→ ", (int) indent, "");
      append_text (out, screen, indent + 2, finding->advice);
    }
}

void
report_print (Report *self, const Screen *screen, FILE *file)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (guint topic = 0; topic < FINDING_N_TOPICS; topic++)
    for (guint i = self->n_printed; i < self->findings->len; i++)
      {
        const Finding *finding = g_ptr_array_index (self->findings, i);

        if (finding->topic == topic)
          append_finding (out, screen, finding);
      }
  self->n_printed = self->findings->len;
  screen_print (file, out->str);
}

void
report_print_end (Report *self, const Screen *screen, FILE *file)
{
  guint n_failures = count_level (self, FINDING_FAILURE);
  guint n_warnings = count_level (self, FINDING_WARNING);
  FindingLevel worst = report_get_worst (self);
  g_autofree char *failures =
      g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u failure", "%u failures", n_failures),
                       n_failures);
  g_autofree char *warnings =
      g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u warning", "%u warnings", n_warnings),
                       n_warnings);
  g_autoptr (GString) out = g_string_new ("\n");

  screen_append_style (screen, out, levels[worst].style);
  if (worst == FINDING_OK)
    g_string_append (out, _ ("All is fine"));
  else if (n_failures > 0 && n_warnings > 0)
    /* TRANSLATORS: %s: “2 failures”; %s: “1 warning” */
    g_string_append_printf (out, _ ("%s, %s"), failures, warnings);
  else
    g_string_append (out, n_failures > 0 ? failures : warnings);
  screen_append_style (screen, out, SCREEN_PLAIN);
  g_string_append_c (out, '\n');
  screen_print (file, out->str);
}

/* --- JSON --- */

static void
put_member (JsonBuilder *builder, const char *name, const char *text)
{
  json_builder_set_member_name (builder, name);
  if (text != NULL)
    json_builder_add_string_value (builder, text);
  else
    json_builder_add_null_value (builder);
}

static void
put_values (Report *self, JsonBuilder *builder, JsonObject *values)
{
  g_autoptr (GList) names = json_object_get_members (values);

  for (GList *item = names; item != NULL; item = item->next)
    {
      JsonNode *node = json_object_get_member (values, item->data);

      if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
        {
          g_autofree char *text = dup_without_secrets (self, json_node_get_string (node));

          put_member (builder, item->data, text);
        }
      else
        {
          json_builder_set_member_name (builder, item->data);
          json_builder_add_value (builder, json_node_copy (node));
        }
    }
}

static void
put_finding (Report *self, JsonBuilder *builder, const Finding *finding)
{
  json_builder_begin_object (builder);
  put_member (builder, "check", topics[finding->topic].name);
  put_member (builder, "result", levels[finding->level].name);
  put_member (builder, "text", finding->text);
  put_member (builder, "advice", finding->advice);
  put_values (self, builder, finding->values);
  json_builder_end_object (builder);
}

void
report_print_json (Report *self, FILE *file)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  put_member (builder, "result", levels[report_get_worst (self)].name);
  json_builder_set_member_name (builder, "checks");
  json_builder_begin_array (builder);
  for (guint topic = 0; topic < FINDING_N_TOPICS; topic++)
    for (guint i = 0; i < self->findings->len; i++)
      {
        const Finding *finding = g_ptr_array_index (self->findings, i);

        if (finding->topic == topic)
          put_finding (self, builder, finding);
      }
  json_builder_end_array (builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  json_generator_set_root (generator, root);
  text = json_generator_to_data (generator, NULL);
  fprintf (file, "%s\n", text);
  fflush (file);
}
