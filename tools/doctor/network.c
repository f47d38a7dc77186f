/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <gio/gio.h>
#include <glib/gi18n.h>

#include "tools/doctor/network.h"
#include "tools/doctor/settings.h"
#include "tools/doctor/variables.h"
#include "tools/service/token.h"

/* Of the clocks, in seconds. From the second one on, runs are shown at a wrong place. */
#define CLOCK_WARNING 60
#define CLOCK_FAILURE 300

#define STATUS_TOO_MANY 429

/* The answers of one place. */
typedef struct
{
  Report *report;     /* (unowned) */
  JsonObject *answer; /* (unowned) the object of the library */
  const char *url;    /* (unowned) */
  const char *label;  /* (unowned) (nullable) the address, if there are several places */
  guint timeout;      /* s */
  char *token_advice; /* (owned) (nullable) */
  gboolean is_replica;
} PlaceData;

/* Returns: (transfer none) (nullable) */
static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_object_get_member (object, name);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static const char *
get_text (JsonObject *object, const char *name)
{
  return json_object_get_string_member_with_default (object, name, NULL);
}

/* With the address before the text, if there are several places. */
static JsonObject *
add (PlaceData *place, FindingTopic topic, FindingLevel level, const char *text, const char *advice)
{
  g_autofree char *whole =
      place->label != NULL ? g_strdup_printf ("%s: %s", place->label, text) : g_strdup (text);
  JsonObject *values = report_add (place->report, topic, level, whole, advice);

  json_object_set_string_member (values, "api_url", place->url);
  return values;
}

/* Adds what the library says of a request that has failed. */
static void
add_problem (PlaceData *place,
             FindingTopic topic,
             FindingLevel level,
             JsonObject *step,
             const char *advice)
{
  gint64 status = json_object_get_int_member_with_default (step, "status", 0);
  const char *message = get_text (step, "message");
  g_autofree char *text = NULL;
  JsonObject *values;

  if (status != 0 && strstr (message, "HTTP") == NULL)
    text = g_strdup_printf ("%s (HTTP %d)", message, (int) status);
  else
    text = g_strdup (message);
  values = add (place, topic, level, text, advice);
  json_object_set_int_member (values, "status", status);
  json_object_set_string_member (values, "problem", get_text (step, "problem"));
}

static gboolean
has_problem (JsonObject *step, const char *nick)
{
  return step != NULL && g_strcmp0 (get_text (step, "problem"), nick) == 0;
}

/* Whether two requests have failed in the same way, so that one finding says it.
 * @a: a request that has failed */
static gboolean
fails_as (JsonObject *a, JsonObject *b)
{
  return b != NULL && g_strcmp0 (get_text (a, "problem"), get_text (b, "problem")) == 0 &&
         g_strcmp0 (get_text (a, "message"), get_text (b, "message")) == 0;
}

/* --- TLS --- */

void
network_check_tls (Report *report, LsobsConfig *config)
{
  gboolean is_there = g_tls_backend_supports_tls (g_tls_backend_get_default ());
  gboolean is_needed =
      config == NULL || !g_str_has_prefix (lsobs_config_get_api_url (config), "http:");

  if (report_has (report, FINDING_TLS))
    return;
  if (!is_there)
    report_add (report, FINDING_TLS, is_needed ? FINDING_FAILURE : FINDING_WARNING,
                _ ("GLib has no TLS on this system, so that nothing is sent to an https address"),
                _ ("Install the package glib-networking"));
}

static void
check_tls (PlaceData *place, JsonObject *info)
{
  gboolean is_https = g_str_has_prefix (place->url, "https:");
  const char *variable = variables_find ("ca-file", NULL);

  if (json_object_get_boolean_member_with_default (info, "certificate_refused", FALSE))
    add_problem (place, FINDING_TLS, FINDING_FAILURE, info, NULL);
  else if (!is_https)
    add (place, FINDING_TLS, FINDING_OK, _ ("Not used: the address is not https"), NULL);
  else if (has_problem (info, "unreachable"))
    return;
  else if (variable != NULL)
    {
      /* TRANSLATORS: %s: a variable of the environment */
      g_autofree char *text =
          g_strdup_printf (_ ("The certificate is one of an authority of %s"), variable);

      add (place, FINDING_TLS, FINDING_OK, text, NULL);
    }
  else
    add (place, FINDING_TLS, FINDING_OK, _ ("The certificate is trusted"), NULL);
}

/* --- the proxy --- */

/* Whether a connection to a proxy can be opened. */
static gboolean
can_connect (PlaceData *place, const char *address, GError **error)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketConnection) connection = NULL;

  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_set_timeout (client, place->timeout);
  connection = g_socket_client_connect_to_uri (client, address, 8080, NULL, error);
  return connection != NULL;
}

/* Returns: (transfer full) (nullable): the proxy of the system for an address */
static char *
dup_system_proxy (const char *url)
{
  g_auto (GStrv) proxies =
      g_proxy_resolver_lookup (g_proxy_resolver_get_default (), url, NULL, NULL);
  g_autoptr (GUri) uri = NULL;

  if (proxies == NULL || *proxies == NULL || strcmp (*proxies, "direct://") == 0)
    return NULL;
  uri = g_uri_parse (*proxies, G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (uri == NULL)
    return NULL;
  return g_uri_join (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
                     g_uri_get_port (uri), "", NULL, NULL);
}

static void
check_used_proxy (PlaceData *place, const char *address, const char *variable, gboolean answered)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *advice = NULL;
  FindingLevel level = FINDING_OK;
  JsonObject *values;

  if (!answered && !can_connect (place, address, &error))
    {
      level = FINDING_FAILURE;
      /* TRANSLATORS: an address, and what the system says */
      text = g_strdup_printf (_ ("The proxy %s cannot be reached: %s"), address, error->message);
      /* TRANSLATORS: %s: a variable of the environment */
      advice = g_strdup_printf (_ ("Correct %s, or add the host of the service to no_proxy"),
                                variable != NULL ? variable : "https_proxy");
    }
  else if (variable != NULL)
    /* TRANSLATORS: an address, and a variable of the environment */
    text = g_strdup_printf (_ ("Requests go to %s: %s says so"), address, variable);
  else
    /* TRANSLATORS: %s: an address */
    text = g_strdup_printf (_ ("Requests go to %s, as the system's settings say"), address);
  values = add (place, FINDING_PROXY, level, text, advice);
  json_object_set_string_member (values, "proxy", address);
}

static void
check_proxy (PlaceData *place, JsonObject *info)
{
  JsonObject *proxy = get_object (place->answer, "proxy");
  const char *kind = get_text (proxy, "kind");
  const char *variable = get_text (proxy, "variable");
  gboolean answered = !has_problem (info, "unreachable");
  g_autofree char *address = g_strdup (get_text (proxy, "address"));

  if (g_strcmp0 (kind, "unusable") == 0)
    {
      add_problem (place, FINDING_PROXY, FINDING_FAILURE, info, NULL);
      return;
    }
  if (g_strcmp0 (kind, "system") == 0)
    address = dup_system_proxy (place->url);
  if (address != NULL)
    check_used_proxy (place, address, variable, answered);
  else
    add (place, FINDING_PROXY, FINDING_OK, _ ("No proxy is used"), NULL);
}

/* --- the service --- */

static void
check_clock (PlaceData *place, JsonObject *info)
{
  JsonNode *node = json_object_get_member (info, "clock_offset");
  gint64 offset;
  g_autofree char *text = NULL;
  FindingLevel level;
  JsonObject *values;

  /* What is not the service's may have a clock of its own. */
  if (node == NULL || JSON_NODE_HOLDS_NULL (node) || has_problem (info, "foreign"))
    return;
  offset = json_node_get_int (node);
  level = ABS (offset) >= CLOCK_FAILURE   ? FINDING_FAILURE
          : ABS (offset) >= CLOCK_WARNING ? FINDING_WARNING
                                          : FINDING_OK;
  if (level == FINDING_OK)
    text = g_strdup (_ ("It agrees with that of the service"));
  else if (offset > 0)
    /* TRANSLATORS: %d: a number of seconds */
    text = g_strdup_printf (
        _ ("It is %d s ahead of that of the service, so that runs have wrong times"),
        (int) MIN (offset, G_MAXINT));
  else
    /* TRANSLATORS: %d: a number of seconds */
    text =
        g_strdup_printf (_ ("It is %d s behind that of the service, so that runs have wrong times"),
                         (int) MIN (-offset, G_MAXINT));
  values = add (place, FINDING_CLOCK, level, text,
                level != FINDING_OK ? _ ("Set the clock: run “timedatectl set-ntp true”") : NULL);
  json_object_set_int_member (values, "offset", offset);
}

/* What to do about a key that a service on this machine refuses.
 * Returns: (transfer full) */
static char *
dup_token_advice (void)
{
  g_autofree char *path = token_dup_default_path ();

  /* TRANSLATORS: %s: a path */
  return g_strdup_printf (
      _ ("Set LANGSMITH_API_KEY to a key of this service; that of “lsobs serve” "
         "is the token in %s"),
      path);
}

/* Returns: (transfer none) (nullable): what to do about a problem of which the message alone does not
 *   say it */
static const char *
find_advice (PlaceData *place, JsonObject *step)
{
  gint64 status = json_object_get_int_member_with_default (step, "status", 0);

  if (has_problem (step, "unreachable") && settings_is_loopback (place->url))
    return _ ("Start “lsobs serve”, or set LANGSMITH_ENDPOINT to the address that it prints");
  /* The message says it. */
  if (strstr (get_text (step, "message"), "LANGSMITH_") != NULL)
    return NULL;
  if (has_problem (step, "unauthorized") && place->is_replica)
    return _ ("Correct the key of this address in LANGSMITH_RUNS_ENDPOINTS");
  if (has_problem (step, "unauthorized") && settings_is_loopback (place->url))
    {
      if (place->token_advice == NULL)
        place->token_advice = dup_token_advice ();
      return place->token_advice;
    }
  if (has_problem (step, "unauthorized"))
    return _ ("Set LANGSMITH_API_KEY to a key of this service, its region and its workspace");
  if (has_problem (step, "quota") || has_problem (step, "limited"))
    return _ ("Raise the limit in the settings of the account, or wait until it is reset");
  if (status == STATUS_TOO_MANY)
    return _ ("Wait a minute, and run this again");
  if (has_problem (step, "unavailable"))
    return _ ("Wait, and see https://status.smith.langchain.com, or the log of your own server");
  return NULL;
}

static FindingLevel
get_level (JsonObject *step)
{
  return json_object_get_int_member_with_default (step, "status", 0) == STATUS_TOO_MANY
             ? FINDING_WARNING
             : FINDING_FAILURE;
}

static void
check_service (PlaceData *place, JsonObject *info)
{
  JsonObject *lookup = get_object (place->answer, "lookup");
  g_autofree char *text = NULL;
  const char *version;
  JsonObject *values;

  if (has_problem (info, "not-found") && lookup != NULL && get_text (lookup, "problem") == NULL)
    {
      add (place, FINDING_SERVICE, FINDING_WARNING,
           _ ("It answers, but does not say what it supports: it is an old version"), NULL);
      return;
    }
  /* What is said of the key is said of the access. */
  if (has_problem (info, "unauthorized") && fails_as (info, lookup))
    return;
  if (get_text (info, "problem") != NULL)
    {
      add_problem (place, FINDING_SERVICE, get_level (info), info, find_advice (place, info));
      return;
    }
  version = get_text (info, "version");
  if (version != NULL)
    /* TRANSLATORS: %s: such as 0.12.1 */
    text = g_strdup_printf (_ ("It answers; its API has the version %s"), version);
  else
    text = g_strdup (_ ("It answers, but does not say its version"));
  values = add (place, FINDING_SERVICE, FINDING_OK, text, NULL);
  if (version != NULL)
    json_object_set_string_member (values, "version", version);
}

static void
check_access (PlaceData *place, JsonObject *info)
{
  JsonObject *lookup = get_object (place->answer, "lookup");
  JsonObject *ingest = get_object (place->answer, "ingest");
  gboolean may_write = ingest != NULL && get_text (ingest, "problem") == NULL;

  if (lookup == NULL)
    return;
  if (get_text (lookup, "problem") == NULL)
    add (place, FINDING_ACCESS, FINDING_OK,
         json_object_get_boolean_member (place->answer, "has_key")
             ? _ ("The service takes the key")
             : _ ("The service asks for no key"),
         NULL);
  else if (may_write)
    add_problem (place, FINDING_ACCESS, FINDING_WARNING, lookup,
                 _ ("Traces can be sent, but the key may not list projects: see its role"));
  else if (has_problem (lookup, "unauthorized") || !fails_as (lookup, info))
    add_problem (place, FINDING_ACCESS, get_level (lookup), lookup, find_advice (place, lookup));
}

static void
check_writing (PlaceData *place, JsonObject *info)
{
  JsonObject *ingest = get_object (place->answer, "ingest");
  JsonObject *lookup = get_object (place->answer, "lookup");

  if (ingest == NULL)
    return;
  if (get_text (ingest, "problem") == NULL)
    add (place, FINDING_WRITING, FINDING_OK, _ ("Traces can be sent"), NULL);
  else if (has_problem (ingest, "unauthorized") && !has_problem (lookup, "unauthorized"))
    add_problem (place, FINDING_WRITING, FINDING_FAILURE, ingest,
                 _ ("Give the key a role that may write traces, or take another key"));
  else if (!fails_as (ingest, lookup) && !fails_as (ingest, info))
    add_problem (place, FINDING_WRITING, get_level (ingest), ingest, find_advice (place, ingest));
}

static void
check_project (PlaceData *place)
{
  JsonObject *lookup = get_object (place->answer, "lookup");
  const char *name = get_text (place->answer, "project");
  gboolean is_found;
  g_autofree char *text = NULL;
  JsonObject *values;

  if (name == NULL)
    {
      add (place, FINDING_PROJECT, FINDING_OK, _ ("There is none: runs belong to an agent"), NULL);
      return;
    }
  if (lookup == NULL || get_text (lookup, "problem") != NULL)
    return;
  is_found = json_object_get_boolean_member_with_default (lookup, "found", FALSE);
  /* TRANSLATORS: %s: the name of a project */
  text = g_strdup_printf (is_found ? _ ("“%s” is there")
                                   : _ ("“%s” is not there, and is made with its first trace"),
                          name);
  values = add (place, FINDING_PROJECT, FINDING_OK, text, NULL);
  json_object_set_string_member (values, "project", name);
  json_object_set_boolean_member (values, "exists", is_found);
}

static void
check_limits (PlaceData *place, JsonObject *info)
{
  gint64 max_records = json_object_get_int_member_with_default (info, "max_records", 0);
  gint64 max_bytes = json_object_get_int_member_with_default (info, "max_bytes", 0);
  g_autofree char *size = g_format_size_full ((guint64) max_bytes, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *text = NULL;
  JsonObject *values;

  if (max_records == 0)
    return;
  /* TRANSLATORS: a number, and such as “20.0 MiB” */
  text = g_strdup_printf (_ ("A request holds %d runs and %s"), (int) max_records, size);
  values = add (place, FINDING_LIMITS, FINDING_OK, text, NULL);
  json_object_set_int_member (values, "max_records", max_records);
  json_object_set_int_member (values, "max_bytes", max_bytes);
}

static void
check_place (PlaceData *place)
{
  JsonObject *info = get_object (place->answer, "info");

  check_tls (place, info);
  check_proxy (place, info);
  check_clock (place, info);
  check_service (place, info);
  check_access (place, info);
  check_writing (place, info);
  check_project (place);
  check_limits (place, info);
}

/* --- asking --- */

typedef struct
{
  GMainLoop *loop;      /* (owned) */
  GAsyncResult *result; /* (owned) (nullable) */
} WaitData;

static void
checked_cb (GObject *object G_GNUC_UNUSED, GAsyncResult *result, gpointer data)
{
  WaitData *wait = data;

  wait->result = g_object_ref (result);
  g_main_loop_quit (wait->loop);
}

/* Returns: (transfer full) (nullable) */
static JsonNode *
ask (LsobsConfig *config, GError **error)
{
  WaitData wait = { g_main_loop_new (NULL, FALSE), NULL };
  JsonNode *node;

  lsobs_client_check_async (config, NULL, checked_cb, &wait);
  g_main_loop_run (wait.loop);
  node = lsobs_client_check_finish (wait.result, error);
  g_object_unref (wait.result);
  g_main_loop_unref (wait.loop);
  return node;
}

void
network_check (Report *report, LsobsConfig *config, guint timeout)
{
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GError) error = NULL;
  JsonArray *places;

  lsobs_config_set_request_timeout (config, (gint64) timeout * 1000);
  node = ask (config, &error);
  if (node == NULL)
    {
      if (!report_has (report, FINDING_KEY))
        report_add (report, FINDING_SERVICE, FINDING_FAILURE, error->message, NULL);
      return;
    }
  places = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (places); i++)
    {
      JsonObject *answer = json_array_get_object_element (places, i);
      const char *url = get_text (answer, "api_url");
      PlaceData place = { report,
                          answer,
                          url,
                          json_array_get_length (places) > 1 ? url : NULL,
                          timeout,
                          NULL,
                          lsobs_config_get_n_replicas (config) > 0 };

      check_place (&place);
      g_free (place.token_advice);
    }
}
