/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Measures what redaction costs: the time per byte of payloads that have no secrets, such as most
 * have, and of some that are made to take long.
 *
 *   make bench/redaction && bench/redaction [MILLISECONDS]
 *
 * Each number is that of the fastest of several rounds, which take so many milliseconds in all. */

#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <lsobs/lsobs.h>

#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/text/lsobs-json-sanitizer-private.h"
#include "lsobs/text/lsobs-json-writer-private.h"

static gint64 round_ns = 100 * 1000000;

static gint64
now (void)
{
  struct timespec time = { 0, 0 };

  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &time);
  return (gint64) time.tv_sec * 1000000000 + time.tv_nsec;
}

/* --- payloads --- */

/* Returns: (transfer full): as many copies as are needed for @len bytes */
static char *
repeat (const char *piece, gsize len)
{
  GString *text = g_string_new (NULL);

  while (text->len < len)
    g_string_append (text, piece);
  return g_string_free (text, FALSE);
}

/* Returns: (transfer full): @text as a JSON string; it is freed */
static char *
quote (char *text)
{
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  _lsobs_json_write_string (&out, text, strlen (text));
  g_free (text);
  return g_strndup (out.data, out.len);
}

#define PROSE \
 "The user asked how many tokens the model took, and why the page \"settings\" was slow: it's the " \
 "index, which isn't built. See the 3rd line of the log at 12:30. "
#define RECORD \
 "{\"id\":4711,\"user_name\":\"jo\",\"messages\":[{\"role\":\"user\",\"content\":\"what is it?\\n\"}]," \
 "\"max_tokens\":100,\"path\":\"C:\\\\data\\\\new\"}\n"

typedef struct
{
  const char *name;
  const char *piece;
  gsize len;
  guint n_quotes; /* how many times the text is made a string */
  gboolean cut;   /* its last third is missing */
} Payload;

static const Payload payloads[] = {
  { "prose, 1 KB", PROSE, 1000, 1, FALSE },
  { "prose, 100 KB", PROSE, 100000, 1, FALSE },
  { "JSON lines in a string, 1 KB", RECORD, 1000, 1, FALSE },
  { "JSON lines in a string, 100 KB", RECORD, 100000, 1, FALSE },
  { "the same, escaped twice", RECORD, 100000, 2, FALSE },
  { "the same, escaped three times", RECORD, 100000, 3, FALSE },
  { "the same, cut", RECORD, 100000, 2, TRUE },
  { "quotes", "\"", 100000, 1, FALSE },
  { "backslashes", "\\", 100000, 1, FALSE },
  { "names", "\"a\":", 100000, 1, FALSE },
  { "brackets", "{\"password\":", 100000, 1, FALSE },
};

/* Returns: (transfer full) */
static char *
make_payload (const Payload *payload)
{
  char *text = repeat (payload->piece, payload->len);

  for (guint i = 0; i < payload->n_quotes; i++)
    {
      if (payload->cut && i + 1 == payload->n_quotes)
        text[strlen (text) * 2 / 3] = '\0';
      text = quote (text);
    }
  return text;
}

/* --- settings --- */

typedef enum
{
  USE_KEYS = 1 << 0,
  USE_RULE = 1 << 1,
  USE_SECRETS = 1 << 2
} Use;

static const struct
{
  const char *name;
  Use use;
} uses[] = {
  { "keys", USE_KEYS },
  { "rule", USE_RULE },
  { "secrets", USE_SECRETS },
  { "all", USE_KEYS | USE_RULE | USE_SECRETS },
};

static LsobsSettings *
make_settings (Use use)
{
  static const char *const keys[] = { "password", "api_key", "authorization", "ssn" };
  g_autoptr (LsobsConfig) config = lsobs_config_new (NULL, NULL);
  LsobsSettings *settings;

  for (guint i = 0; (use & USE_KEYS) != 0 && i < G_N_ELEMENTS (keys); i++)
    lsobs_config_add_redact_key (config, keys[i]);
  if ((use & USE_RULE) != 0)
    lsobs_config_add_redact_rule (config, "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}", NULL);
  lsobs_config_set_redact_secrets (config, (use & USE_SECRETS) != 0);
  settings = _lsobs_settings_new (config, LSOBS_SETTINGS_ANY, NULL);
  g_assert_nonnull (settings);
  return settings;
}

/* Returns: nanoseconds per byte */
static double
measure (const LsobsSettings *settings, const char *text)
{
  gsize len = strlen (text);
  gint64 best = G_MAXINT64;
  g_auto (LsobsBuffer) out = LSOBS_BUFFER_INIT;

  for (gint64 begin = now (); now () < begin + round_ns;)
    {
      LsobsRedactBudget budget = LSOBS_REDACT_BUDGET_INIT;
      const LsobsSanitizeOptions options = { .redactor = settings->redactor, .budget = &budget };
      gint64 start = now ();

      _lsobs_buffer_truncate (&out, 0);
      _lsobs_json_sanitize (&out, text, len, &options);
      best = MIN (best, now () - start);
    }
  return (double) best / (double) len;
}

int
main (int argc, char **argv)
{
  if (argc > 1)
    round_ns = atoi (argv[1]) * G_GINT64_CONSTANT (1000000);
  g_print ("%-32s", "ns per byte");
  for (guint i = 0; i < G_N_ELEMENTS (uses); i++)
    g_print ("%10s", uses[i].name);
  g_print ("\n");
  for (guint i = 0; i < G_N_ELEMENTS (payloads); i++)
    {
      g_autofree char *text = make_payload (&payloads[i]);

      g_print ("%-32s", payloads[i].name);
      for (guint j = 0; j < G_N_ELEMENTS (uses); j++)
        {
          g_autoptr (LsobsSettings) settings = make_settings (uses[j].use);

          g_print ("%10.2f", measure (settings, text));
        }
      g_print ("\n");
    }
  return 0;
}
