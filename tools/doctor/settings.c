/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "lsobs/core/lsobs-secret-private.h"

#include "tools/doctor/settings.h"
#include "tools/doctor/variables.h"

/* --- tracing --- */

static void
add_off (Report *report)
{
  const char *variable = variables_find ("tracing-enabled", NULL);
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;

  if (report_has (report, FINDING_TRACING))
    return;
  if (variable != NULL)
    {
      /* TRANSLATORS: %s: a variable of the environment */
      text = g_strdup_printf (_ ("It is off: %s says so"), variable);
      advice = g_strdup_printf (_ ("Set %s=true to send traces"), variable);
    }
  else
    {
      text = g_strdup (_ ("It is off: LANGSMITH_TRACING is not set"));
      advice = g_strdup (_ ("Set LANGSMITH_TRACING=true to send traces, or run a program with "
                            "“lsobs run” to see them here"));
    }
  report_add (report, FINDING_TRACING, FINDING_WARNING, text, advice);
}

void
settings_check_tracing (Report *report, LsobsConfig *config, gboolean was_on)
{
  const char *variable = variables_find ("tracing-enabled", NULL);
  double rate = config != NULL ? lsobs_config_get_sampling_rate (config) : 1;
  g_autofree char *text = NULL;

  if (config != NULL && !was_on)
    add_off (report);
  if (config == NULL || variables_find ("sampling-rate", NULL) == NULL || rate >= 1)
    rate = 1;
  if (rate < 1)
    {
      /* TRANSLATORS: a number from 0 to 1, and a variable of the environment */
      text = g_strdup_printf (_ ("A share of %g of all traces is kept: %s says so"), rate,
                              variables_find ("sampling-rate", NULL));
      report_add (report, FINDING_TRACING, rate > 0 ? FINDING_OK : FINDING_WARNING, text,
                  rate > 0 ? NULL : _ ("Unset it, or set it to 1, to send traces"));
    }
  else if (config != NULL && was_on && !report_has (report, FINDING_TRACING))
    {
      /* TRANSLATORS: %s: a variable of the environment */
      text = g_strdup_printf (_ ("It is on: %s says so"), variable);
      report_add (report, FINDING_TRACING, FINDING_OK, text, NULL);
    }
}

/* --- the key --- */

typedef enum
{
  KEY_PERSONAL,
  KEY_SERVICE,
  KEY_OLD,
  KEY_OF_SERVE,
  KEY_OTHER
} KeyKind;

static const struct
{
  const char *prefix;
  KeyKind kind;
  const char *name; /* in JSON */
  const char *text; /* marked with N_ () */
  gsize length;     /* at least */
} key_kinds[] = {
  { "lsv2_pt_", KEY_PERSONAL, "personal", N_ ("a personal key"), 40 },
  { "lsv2_sk_", KEY_SERVICE, "service", N_ ("a service key"), 40 },
  { "ls__", KEY_OLD, "old", N_ ("a key of the old kind"), 20 },
  { "lsobs_", KEY_OF_SERVE, "token", N_ ("a token of “lsobs serve”"), 16 },
  { "", KEY_OTHER, "other", N_ ("a key without the form of LangSmith's"), 0 },
};

static guint
find_kind (const char *key)
{
  guint i = 0;

  while (!g_str_has_prefix (key, key_kinds[i].prefix))
    i++;
  return i;
}

/* What tutorials have in place of a key. */
static gboolean
is_placeholder (const char *key)
{
  static const char *const words[] = { "your", "...", "xxxx", "****", "<", "change", "example" };
  g_autofree char *lower = g_ascii_strdown (key, -1);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (strstr (lower, words[i]) != NULL)
      return TRUE;
  return FALSE;
}

/* What is around the key, as other clients may take it for a part of the key. */
static void
check_edges (Report *report, const char *variable, const char *value)
{
  const char *what = NULL;
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;

  if (strpbrk (value, "\"'") != NULL)
    /* TRANSLATORS: follows the name of a variable */
    what = _ ("has quotes in it");
  else if (strpbrk (value, " \t\r\n") != NULL)
    /* TRANSLATORS: follows the name of a variable */
    what = _ ("has white space in it, such as the end of a line");
  if (what == NULL)
    return;
  /* TRANSLATORS: a variable, and such as “has quotes in it” */
  text = g_strdup_printf (_ ("%s %s: other clients may take that for a part of the key"), variable,
                          what);
  /* TRANSLATORS: %s: a variable of the environment */
  advice = g_strdup_printf (_ ("Set %s to the key alone"), variable);
  report_add (report, FINDING_KEY, FINDING_WARNING, text, advice);
}

static void
check_form (Report *report, const char *variable, const char *key, gboolean is_loopback)
{
  guint i = find_kind (key);
  FindingLevel level = FINDING_OK;
  const char *advice = NULL;
  g_autofree char *text = NULL;
  JsonObject *values;

  if (is_placeholder (key))
    {
      level = FINDING_FAILURE;
      /* TRANSLATORS: %s: a variable of the environment */
      text = g_strdup_printf (_ ("%s has the text of an example instead of a key"), variable);
      advice =
          _ ("Make a key at https://smith.langchain.com (Settings, API keys), and set it there");
    }
  else if (strlen (key) < key_kinds[i].length)
    {
      level = FINDING_WARNING;
      /* TRANSLATORS: %s: a variable of the environment */
      text = g_strdup_printf (_ ("The key of %s is shorter than such keys are"), variable);
      advice = _ ("Check whether its end was lost when it was copied");
    }
  else
    {
      /* TRANSLATORS: a variable, and such as “a personal key” */
      text = g_strdup_printf (_ ("%s has %s"), variable, _ (key_kinds[i].text));
      if (!is_loopback && key_kinds[i].kind == KEY_OTHER)
        {
          level = FINDING_WARNING;
          advice = _ ("Check whether it is a LangSmith key, which begins with lsv2_");
        }
      else if (!is_loopback && key_kinds[i].kind == KEY_OF_SERVE)
        {
          level = FINDING_WARNING;
          advice =
              _ ("Set the key of LangSmith, or LANGSMITH_ENDPOINT to the address of “lsobs serve”");
        }
    }
  values = report_add (report, FINDING_KEY, level, text, advice);
  json_object_set_string_member (values, "variable", variable);
  json_object_set_string_member (values, "kind", key_kinds[i].name);
}

void
settings_check_key (Report *report, LsobsConfig *config, gboolean was_on)
{
  const char *value;
  const char *variable = variables_find ("api-key", &value);
  gboolean is_loopback = config != NULL && settings_is_loopback (lsobs_config_get_api_url (config));

  if (config != NULL && lsobs_config_get_n_replicas (config) > 0)
    {
      report_add (report, FINDING_KEY, FINDING_OK, _ ("Each replica has its own"), NULL);
      return;
    }
  if (variable != NULL)
    {
      g_autofree char *key = variables_dup ("api-key");

      if (!report_has (report, FINDING_KEY))
        check_form (report, variable, key, is_loopback);
      if (!report_has_failure (report, FINDING_KEY))
        check_edges (report, variable, value);
      _lsobs_secret_free (g_steal_pointer (&key));
    }
  else if (config != NULL && !report_has (report, FINDING_KEY))
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsClient) client = lsobs_client_new (config, &error);

      if (lsobs_config_has_api_key (config) && client != NULL)
        report_add (report, FINDING_KEY, FINDING_OK, _ ("The profile gives it"), NULL);
      else if (client != NULL)
        report_add (report, FINDING_KEY, is_loopback ? FINDING_OK : FINDING_WARNING,
                    _ ("There is none; a service on this machine may need none"), NULL);
      else
        /* Without tracing, a program needs none. */
        report_add (report, FINDING_KEY, was_on ? FINDING_FAILURE : FINDING_WARNING, error->message,
                    _ ("Make a key at https://smith.langchain.com (Settings, API keys), and set "
                       "LANGSMITH_API_KEY to it"));
    }
}

/* --- the address --- */

gboolean
settings_is_loopback (const char *url)
{
  g_autoptr (GUri) uri = url != NULL ? g_uri_parse (url, G_URI_FLAGS_NONE, NULL) : NULL;
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;
  g_autoptr (GInetAddress) address = NULL;

  if (host == NULL)
    return FALSE;
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (host);
  return address != NULL && g_inet_address_get_is_loopback (address);
}

#define HOSTED     "smith.langchain.com"
#define HOSTED_API "api." HOSTED

/* Returns: (transfer full) (nullable): such as "US", of a host of the hosted service */
static char *
dup_region (const char *host)
{
  gsize len = strlen (host);

  if (strcmp (host, HOSTED_API) == 0)
    return g_strdup ("US");
  if (!g_str_has_suffix (host, "." HOSTED_API))
    return NULL;
  return g_ascii_strup (host, (gssize) (len - strlen ("." HOSTED_API)));
}

/* Whether a path has the part that the client adds itself. */
static gboolean
has_endpoint (const char *path)
{
  static const char *const ends[] = { "/runs", "/runs/batch", "/runs/multipart",
                                      "/info", "/otel",       "/sessions" };

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    if (g_str_has_suffix (path, ends[i]))
      return TRUE;
  return FALSE;
}

static void
add_hosted_page (Report *report, const char *host)
{
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;
  g_autofree char *prefix = g_strndup (host, strlen (host) - strlen (HOSTED));

  /* TRANSLATORS: %s: a host */
  text = g_strdup_printf (_ ("%s has the web pages of LangSmith, not its API"), host);
  /* TRANSLATORS: %s: an address */
  advice = g_strdup_printf (_ ("Set LANGSMITH_ENDPOINT=https://%s%s"), prefix, HOSTED_API);
  report_add (report, FINDING_ENDPOINT, FINDING_FAILURE, text, advice);
}

static void
check_address (Report *report, const char *url)
{
  const char *variable = variables_find ("api-url", NULL);
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_ENCODED, NULL);
  g_autofree char *host = uri != NULL ? g_ascii_strdown (g_uri_get_host (uri), -1) : g_strdup ("");
  g_autofree char *region = dup_region (host);
  g_autofree char *text = NULL;
  FindingLevel level = FINDING_OK;
  const char *advice = NULL;
  JsonObject *values;

  if (region == NULL && (strcmp (host, HOSTED) == 0 || g_str_has_suffix (host, "." HOSTED)))
    {
      add_hosted_page (report, host);
      return;
    }
  if (uri != NULL && has_endpoint (g_uri_get_path (uri)))
    {
      level = FINDING_WARNING;
      /* TRANSLATORS: %s: an address */
      text = g_strdup_printf (_ ("%s ends in a path that clients add themselves"), url);
      advice = _ ("Remove the last part; the address of your own server ends in /api");
    }
  else if (uri != NULL && strcmp (g_uri_get_scheme (uri), "http") == 0 &&
           !settings_is_loopback (url))
    {
      level = FINDING_WARNING;
      /* TRANSLATORS: %s: an address */
      text = g_strdup_printf (
          _ ("%s is not encrypted: anyone on the network can read the key and the traces"), url);
      advice = _ ("Use https, and unset LANGSMITH_ALLOW_PLAIN_HTTP");
    }
  else if (region != NULL)
    /* TRANSLATORS: an address, and letters such as US or EU */
    text = g_strdup_printf (_ ("%s, LangSmith in the region %s"), url, region);
  else if (settings_is_loopback (url))
    /* TRANSLATORS: %s: an address */
    text = g_strdup_printf (_ ("%s, on this machine"), url);
  else
    text = g_strdup (url);
  values = report_add (report, FINDING_ENDPOINT, level, text, advice);
  json_object_set_string_member (values, "api_url", url);
  if (variable != NULL)
    json_object_set_string_member (values, "variable", variable);
  else
    json_object_set_null_member (values, "variable");
}

void
settings_check_endpoint (Report *report, LsobsConfig *config)
{
  guint n;

  if (config == NULL || report_has_failure (report, FINDING_ENDPOINT))
    return;
  n = lsobs_config_get_n_replicas (config);
  if (n > 0)
    {
      /* TRANSLATORS: a number, and a variable of the environment */
      g_autofree char *text = g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u replica in %s",
                                                            "%u replicas in %s", n),
                                               n, variables_find ("runs-endpoints", NULL));
      JsonObject *values = report_add (report, FINDING_ENDPOINT, FINDING_OK, text, NULL);

      json_object_set_int_member (values, "places", n);
      return;
    }
  check_address (report, lsobs_config_get_api_url (config));
}
