/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n.h>

#include "tools/doctor/variables.h"

/* Most variables have an older name, which is read second. */
#define BOTH(name) "LANGSMITH_" name, "LANGCHAIN_" name

static const VariableGroup groups[] = {
  { "tracing-enabled", FINDING_TRACING, { BOTH ("TRACING_V2"), BOTH ("TRACING") } },
  { "allow-plain-http", FINDING_ENDPOINT, { BOTH ("ALLOW_PLAIN_HTTP") } },
  { "api-url", FINDING_ENDPOINT, { BOTH ("ENDPOINT") } },
  { "runs-endpoints", FINDING_ENDPOINT, { BOTH ("RUNS_ENDPOINTS") } },
  { "api-key", FINDING_KEY, { BOTH ("API_KEY") } },
  { "workspace-id", FINDING_KEY, { BOTH ("WORKSPACE_ID") } },
  { "project-name",
    FINDING_PROJECT,
    { "HOSTED_LANGSERVE_PROJECT_NAME", BOTH ("HOSTED_LANGSERVE_PROJECT_NAME"), BOTH ("PROJECT"),
      BOTH ("SESSION") } },
  { "agent-id", FINDING_PROJECT, { "LANGSMITH_AGENT_ID" } },
  { "agent-environment", FINDING_PROJECT, { "LANGSMITH_AGENT_ENVIRONMENT" } },
  { "ca-file", FINDING_TLS, { BOTH ("CA_FILE") } },
  { "sampling-rate", FINDING_TRACING, { BOTH ("TRACING_SAMPLING_RATE") } },
  { "hide-inputs", FINDING_VARIABLES, { BOTH ("HIDE_INPUTS") } },
  { "hide-outputs", FINDING_VARIABLES, { BOTH ("HIDE_OUTPUTS") } },
  { "hide-metadata", FINDING_VARIABLES, { BOTH ("HIDE_METADATA") } },
  { "redact-pairs", FINDING_VARIABLES, { BOTH ("REDACT_PAIRS") } },
  { "compression", FINDING_VARIABLES, { BOTH ("DISABLE_RUN_COMPRESSION") } },
  { "compression-level", FINDING_VARIABLES, { BOTH ("RUN_COMPRESSION_LEVEL") } },
  { "max-batch-size", FINDING_VARIABLES, { BOTH ("BATCH_INGEST_SIZE_LIMIT") } },
  { "queue-capacity", FINDING_VARIABLES, { BOTH ("TRACING_QUEUE_MAX_SIZE") } },
  { "max-queue-bytes", FINDING_VARIABLES, { BOTH ("MAX_INGEST_MEMORY_BYTES") } },
  { "failed-traces-dir", FINDING_FAILED_TRACES, { BOTH ("FAILED_TRACES_DIR") } },
  { "failed-traces-max-bytes", FINDING_FAILED_TRACES, { BOTH ("FAILED_TRACES_MAX_MB") } },
  { "spool-dir", FINDING_SPOOL, { BOTH ("SPOOL_DIR") } },
  { "spool-enabled", FINDING_SPOOL, { BOTH ("SPOOL") } },
  { "spool-max-bytes", FINDING_SPOOL, { BOTH ("SPOOL_MAX_MB") } },
  { "spool-max-files", FINDING_SPOOL, { BOTH ("SPOOL_MAX_FILES") } },
  { "spool-max-age", FINDING_SPOOL, { BOTH ("SPOOL_MAX_AGE_HOURS") } },
  { "spool-delay", FINDING_SPOOL, { BOTH ("SPOOL_DELAY_MS") } },
  { "exit-timeout", FINDING_VARIABLES, { BOTH ("EXIT_TIMEOUT_MS") } },
  { "revision-id", FINDING_VARIABLES, { BOTH ("REVISION_ID") } },
  { "tracing-mode", FINDING_TRACING, { BOTH ("TRACING_MODE") } },
  { "otel-enabled", FINDING_TRACING, { BOTH ("OTEL_ENABLED"), "OTEL_ENABLED" } },
  { "otel-only", FINDING_TRACING, { BOTH ("OTEL_ONLY") } },
  { "config-file", FINDING_PROFILE, { "LANGSMITH_CONFIG_FILE" } },
  { "profile", FINDING_PROFILE, { "LANGSMITH_PROFILE" } },
};

/* What other clients and tools read. */
static const char *const foreign[] = {
  "LANGCHAIN_CALLBACKS_BACKGROUND",
  "LANGCHAIN_DEBUG",
  "LANGCHAIN_ENV",
  "LANGCHAIN_HANDLER",
  "LANGCHAIN_HUB_API_KEY",
  "LANGCHAIN_HUB_API_URL",
  "LANGCHAIN_VERBOSE",
  "LANGSMITH_AUTH_ENDPOINT",
  "LANGSMITH_AUTH_TOKEN",
  "LANGSMITH_DEBUG",
  "LANGSMITH_EXPERIMENT",
  "LANGSMITH_EXPERIMENT_METADATA",
  "LANGSMITH_HOST_PROJECT_ID",
  "LANGSMITH_HOST_PROJECT_NAME",
  "LANGSMITH_HOST_REVISION_ID",
  "LANGSMITH_LANGGRAPH_API_REVISION",
  "LANGSMITH_LANGGRAPH_API_VARIANT",
  "LANGSMITH_LICENSE_KEY",
  "LANGSMITH_LOG_LEVEL",
  "LANGSMITH_ORGANIZATION_ID",
  "LANGSMITH_RUN_COMPRESSION_THREADS",
  "LANGSMITH_TENANT_ID",
  "LANGSMITH_TEST_CACHE",
  "LANGSMITH_TEST_SUITE",
  "LANGSMITH_TEST_TRACKING",
  "LANGSMITH_TRACING_BACKGROUND",
  "LANGSMITH_USE_PYO3_CLIENT",
};

/* More differences than this are another word. */
#define MAX_DISTANCE 2

/* The longest name that lsobs reads is shorter, in bytes. */
#define MAX_NAME 64

/* A file of profiles that is not there. */
#define NO_FILE "/dev/null/none"

const VariableGroup *
variables_get_groups (guint *n)
{
  *n = G_N_ELEMENTS (groups);
  return groups;
}

static const VariableGroup *
find_group (const char *setting)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    if (strcmp (groups[i].setting, setting) == 0)
      return &groups[i];
  g_assert_not_reached ();
}

/* Returns: (nullable): NULL also for white space and quotes alone, which count as nothing */
static const char *
peek_value (const char *name)
{
  const char *value = g_getenv (name);

  return value != NULL && value[strspn (value, " \t\r\n\v\f\"'")] != '\0' ? value : NULL;
}

const char *
variables_find (const char *setting, const char **value)
{
  const VariableGroup *group = find_group (setting);

  for (const char *const *name = group->names; *name != NULL; name++)
    if (peek_value (*name) != NULL)
      {
        if (value != NULL)
          *value = peek_value (*name);
        return *name;
      }
  if (value != NULL)
    *value = NULL;
  return NULL;
}

char *
variables_dup (const char *setting)
{
  const char *value;
  char *copy;
  gsize len;

  if (variables_find (setting, &value) == NULL)
    return NULL;
  copy = g_strstrip (g_strdup (value));
  len = strlen (copy);
  if (len >= 2 && (*copy == '"' || *copy == '\'') && copy[len - 1] == *copy)
    {
      copy[len - 1] = '\0';
      memmove (copy, copy + 1, len - 1);
      g_strstrip (copy);
    }
  return copy;
}

/* --- names --- */

static gboolean
is_foreign (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (foreign); i++)
    if (strcmp (foreign[i], name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
is_known (const char *name)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    if (g_strv_contains (groups[i].names, name))
      return TRUE;
  return FALSE;
}

/* Returns: how many letters differ, are missing, too many, or swapped with their neighbour */
static guint
measure_distance (const char *a, const char *b)
{
  guint rows[3][MAX_NAME + 1];
  gsize n = strlen (a);
  gsize m = strlen (b);

  if (n > MAX_NAME || m > MAX_NAME)
    return G_MAXUINT;
  for (gsize j = 0; j <= m; j++)
    rows[0][j] = (guint) j;
  for (gsize i = 1; i <= n; i++)
    {
      guint *row = rows[i % 3];
      const guint *last = rows[(i + 2) % 3];
      const guint *before = rows[(i + 1) % 3];

      row[0] = (guint) i;
      for (gsize j = 1; j <= m; j++)
        {
          guint best = last[j - 1] + (a[i - 1] != b[j - 1]);

          best = MIN (best, MIN (last[j], row[j - 1]) + 1);
          if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
            best = MIN (best, before[j - 2] + 1);
          row[j] = best;
        }
    }
  return rows[n % 3][m];
}

const char *
variables_guess (const char *name)
{
  g_autofree char *upper = g_ascii_strup (name, -1);
  const char *best = NULL;
  guint distance = MAX_DISTANCE + 1;

  if (is_known (name) || is_foreign (name))
    return NULL;
  g_strdelimit (upper, "-.", '_');
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    for (const char *const *known = groups[i].names; *known != NULL; known++)
      {
        guint found = measure_distance (upper, *known);

        /* In short names, two differences are another word. */
        if (found < distance && strlen (*known) >= 15)
          {
            best = *known;
            distance = found;
          }
      }
  return best;
}

static void
check_names (Report *report)
{
  g_auto (GStrv) names = g_listenv ();

  for (char **name = names; *name != NULL; name++)
    {
      const char *meant = variables_guess (*name);
      g_autofree char *text = NULL;
      g_autofree char *advice = NULL;
      JsonObject *values;

      if (meant == NULL)
        continue;
      /* TRANSLATORS: %s: a variable of the environment */
      text = g_strdup_printf (_ ("%s is set, but nothing reads a variable of this name"), *name);
      /* TRANSLATORS: %s: a variable of the environment */
      advice = g_strdup_printf (_ ("Set %s instead, if you mean that"), meant);
      values = report_add (report, FINDING_VARIABLES, FINDING_WARNING, text, advice);
      json_object_set_string_member (values, "variable", *name);
      json_object_set_string_member (values, "meant", meant);
    }
}

/* --- the library's reading of them --- */

static void
log_cb (const char *domain G_GNUC_UNUSED,
        GLogLevelFlags level,
        const char *message,
        gpointer messages)
{
  if ((level & G_LOG_LEVEL_MASK & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) == 0)
    g_ptr_array_add (messages, g_strdup (message));
}

void
variables_begin_log (GPtrArray *messages)
{
  g_log_set_default_handler (log_cb, messages);
}

void
variables_end_log (void)
{
  g_log_set_default_handler (g_log_default_handler, NULL);
}

/* Of the environment, what is about settings. */
typedef struct
{
  GPtrArray *names;  /* (owned) */
  GPtrArray *values; /* (owned) */
} Saved;

static void
save (Saved *saved)
{
  saved->names = g_ptr_array_new_with_free_func (g_free);
  saved->values = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    for (const char *const *name = groups[i].names; *name != NULL; name++)
      if (g_getenv (*name) != NULL)
        {
          g_ptr_array_add (saved->names, g_strdup (*name));
          g_ptr_array_add (saved->values, g_strdup (g_getenv (*name)));
        }
}

static void
unset_all (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    for (const char *const *name = groups[i].names; *name != NULL; name++)
      g_unsetenv (*name);
}

static void
restore (const Saved *saved)
{
  unset_all ();
  for (guint i = 0; i < saved->names->len; i++)
    g_setenv (g_ptr_array_index (saved->names, i), g_ptr_array_index (saved->values, i), TRUE);
}

static void
saved_clear (Saved *saved)
{
  g_ptr_array_unref (saved->names);
  g_ptr_array_unref (saved->values);
}

/* Has the library read one variable alone.
 * @allows_plain_http: whether another variable says so
 * @messages: (element-type utf8): gets what it logs
 * Returns: (transfer full) (nullable) */
static LsobsConfig *
read_alone (const VariableGroup *group,
            const char *name,
            const char *value,
            gboolean allows_plain_http,
            GPtrArray *messages,
            GError **error)
{
  gboolean is_tracing = strcmp (group->setting, "tracing-enabled") == 0;
  LsobsConfig *config;

  unset_all ();
  if (!is_tracing)
    g_setenv ("LANGSMITH_TRACING", "true", TRUE);
  /* It decides which addresses are valid. */
  if (allows_plain_http)
    g_setenv ("LANGSMITH_ALLOW_PLAIN_HTTP", "true", TRUE);
  g_setenv ("LANGSMITH_CONFIG_FILE", NO_FILE, TRUE);
  g_setenv (name, value, TRUE);
  variables_begin_log (messages);
  config = lsobs_config_new_from_environment (error);
  variables_end_log ();
  return config;
}

/* Whether two values of one setting mean the same. */
static gboolean
mean_same (const VariableGroup *group, const char *name, const char *other, Saved *saved)
{
  g_autofree char *value = g_strstrip (g_strdup (peek_value (name)));
  g_autofree char *other_value = g_strstrip (g_strdup (peek_value (other)));
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (LsobsConfig) other_config = NULL;

  if (strcmp (value, other_value) == 0)
    return TRUE;
  if (strcmp (group->setting, "tracing-enabled") != 0)
    return FALSE;
  config = read_alone (group, name, value, FALSE, messages, NULL);
  other_config = read_alone (group, other, other_value, FALSE, messages, NULL);
  restore (saved);
  return config != NULL && other_config != NULL &&
         lsobs_config_get_tracing_enabled (config) ==
             lsobs_config_get_tracing_enabled (other_config);
}

static void
check_pairs (Report *report, Saved *saved)
{
  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      const char *first = variables_find (groups[i].setting, NULL);

      for (const char *const *name = groups[i].names; first != NULL && *name != NULL; name++)
        {
          g_autofree char *text = NULL;
          g_autofree char *advice = NULL;
          JsonObject *values;

          if (*name == first || peek_value (*name) == NULL ||
              mean_same (&groups[i], first, *name, saved))
            continue;
          /* TRANSLATORS: variables of the environment */
          text = g_strdup_printf (_ ("%s and %s differ: the first one counts"), first, *name);
          /* TRANSLATORS: a variable of the environment */
          advice = g_strdup_printf (_ ("Unset %s: other clients may read it first"), *name);
          values = report_add (report, FINDING_VARIABLES, FINDING_WARNING, text, advice);
          json_object_set_string_member (values, "variable", first);
          json_object_set_string_member (values, "other", *name);
        }
    }
}

/* Adds a finding for a variable that the library does not understand, and takes it out of @saved.
 * Returns: whether the place of traces depends on it */
static gboolean
add_problem (Report *report, const VariableGroup *group, const char *name, const char *problem)
{
  g_autofree char *advice = NULL;
  JsonObject *values;

  /* TRANSLATORS: %s: a variable of the environment */
  advice =
      g_strdup_printf (_ ("Correct %s, or unset it: programs with lsobs send no traces until then"),
                       name);
  values = report_add (report, group->topic, FINDING_FAILURE, problem, advice);
  json_object_set_string_member (values, "variable", name);
  return group->topic == FINDING_ENDPOINT || group->topic == FINDING_KEY ||
         group->topic == FINDING_TLS;
}

/* Adds what the library says of each variable that counts.
 * @bad: (element-type utf8): gets those that it does not understand
 * Returns: whether the place of traces is known */
static gboolean
check_values (Report *report, Saved *saved, GPtrArray *bad)
{
  gboolean is_known_place = TRUE;
  gboolean allows_plain_http = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (groups); i++)
    {
      g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
      g_autoptr (GError) error = NULL;
      g_autoptr (LsobsConfig) config = NULL;
      const char *value;
      const char *name = variables_find (groups[i].setting, &value);
      g_autofree char *copy = g_strdup (value);

      if (name == NULL || groups[i].topic == FINDING_PROFILE)
        continue;
      config = read_alone (&groups[i], name, copy, allows_plain_http, messages, &error);
      restore (saved);
      if (strcmp (groups[i].setting, "allow-plain-http") == 0)
        allows_plain_http = config != NULL && lsobs_config_get_allow_plain_http (config);
      if (config == NULL)
        {
          g_ptr_array_add (bad, (gpointer) name);
          is_known_place &= !add_problem (report, &groups[i], name, error->message);
        }
      for (guint j = 0; j < messages->len; j++)
        report_add (report, groups[i].topic, FINDING_WARNING, g_ptr_array_index (messages, j),
                    NULL);
    }
  return is_known_place;
}

LsobsConfig *
variables_check (Report *report, gboolean *was_on)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) bad = g_ptr_array_new ();
  g_autoptr (LsobsConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_known_place;
  Saved saved;
  guint n;

  *was_on = FALSE;
  check_names (report);
  save (&saved);
  n = saved.names->len;
  check_pairs (report, &saved);
  is_known_place = check_values (report, &saved, bad);

  /* Each may be right, and all of them not. */
  for (guint i = 0; i < bad->len; i++)
    g_unsetenv (g_ptr_array_index (bad, i));
  variables_begin_log (messages);
  config = lsobs_config_new_from_environment (&error);
  if (config != NULL)
    {
      *was_on = lsobs_config_get_tracing_enabled (config);
      lsobs_config_set_tracing_enabled (config, TRUE);
      if (is_known_place && !lsobs_config_validate (config, &error))
        g_clear_object (&config);
    }
  variables_end_log ();
  restore (&saved);
  saved_clear (&saved);
  /* A profile that makes no sense has its finding. */
  if (error != NULL && is_known_place && !report_has_failure (report, FINDING_PROFILE))
    report_add (report, FINDING_VARIABLES, FINDING_FAILURE, error->message,
                _ ("Correct these settings: programs with lsobs send no traces until then"));
  if (!report_has (report, FINDING_VARIABLES) && bad->len == 0)
    {
      g_autofree char *text =
          n == 0 ? g_strdup (_ ("No variable is set"))
                 : g_strdup_printf (g_dngettext (GETTEXT_PACKAGE, "%u is set, and is understood",
                                                 "%u are set, and are understood", n),
                                    n);
      JsonObject *values = report_add (report, FINDING_VARIABLES, FINDING_OK, text, NULL);

      json_object_set_int_member (values, "set", n);
    }
  return is_known_place ? g_steal_pointer (&config) : NULL;
}
