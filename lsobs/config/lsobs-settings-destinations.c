/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"

/* The settings of several places that runs are written to: each has its own, which
 * differ in where runs go, and what their ids are there. */

/* Returns: (transfer none): the target of a run, before a replica changes it
 * @trace_target: (nullable): that of its trace, if another process has begun the trace */
LsobsTarget *
_lsobs_settings_get_own_target (LsobsSettings *self, LsobsTarget *trace_target)
{
  return trace_target != NULL ? trace_target : self->target;
}

/* Where a run goes to in this place. @own: that of the run
 * Returns: (transfer none) */
LsobsTarget *
_lsobs_settings_get_target (LsobsSettings *self, LsobsTarget *own)
{
  return self->replica_target != NULL ? self->replica_target : own;
}

/* Returns: (transfer none) (nullable): what _lsobs_id_remap() makes the ids of a run
 * fit for in this place, the name of the project or the address; NULL when they stay as
 * they are */
const char *
_lsobs_settings_get_seed (LsobsSettings *self, LsobsTarget *own)
{
  LsobsTarget *target = _lsobs_settings_get_target (self, own);

  switch (self->role)
    {
    case LSOBS_REPLICA_ROLE_PRIMARY:
      return NULL;
    case LSOBS_REPLICA_ROLE_SECONDARY:
      return target->name;
    case LSOBS_REPLICA_ROLE_AUTO:
    default:
      return _lsobs_target_equal (target, own) ? NULL : target->name;
    }
}

/* For comparisons: in lower case, without a dot at the end, IP addresses in their usual form.
 * Returns: (transfer full) */
static char *
normalize_host (const char *host)
{
  g_autofree char *ascii = g_hostname_to_ascii (host);
  g_autofree char *lower = g_ascii_strdown (ascii != NULL ? ascii : host, -1);
  g_autoptr (GInetAddress) address = NULL;
  gsize len = strlen (lower);

  if (len > 1 && lower[len - 1] == '.')
    lower[len - 1] = '\0';
  address = g_inet_address_new_from_string (lower);
  return address != NULL ? g_inet_address_to_string (address) : g_steal_pointer (&lower);
}

/* The host of @url (nullable), and the port if it is not the default one of the scheme.
 * Returns: (transfer full) (nullable): NULL for no URL */
static char *
dup_server (const char *url)
{
  g_autofree char *trimmed = _lsobs_config_dup_trimmed (url);
  g_autoptr (GUri) uri = NULL;
  g_autofree char *host = NULL;
  int port;

  if (trimmed != NULL)
    uri = g_uri_parse (trimmed, G_URI_FLAGS_NONE, NULL);
  if (uri == NULL || g_uri_get_host (uri) == NULL)
    return NULL;
  host = normalize_host (g_uri_get_host (uri));
  port = g_uri_get_port (uri);
  if ((port == 443 && strcmp (g_uri_get_scheme (uri), "https") == 0) ||
      (port == 80 && strcmp (g_uri_get_scheme (uri), "http") == 0))
    port = -1;
  return g_strdup_printf ("%s %d", host, port);
}

/* @key: (nullable), @other: (nullable): as they were given */
static gboolean
are_one_key (const char *key, const char *other)
{
  gsize len;
  gsize other_len;
  const char *start = _lsobs_config_trim (key, &len);
  const char *other_start = _lsobs_config_trim (other, &other_len);

  return len == other_len && (len == 0 || memcmp (start, other_start, len) == 0);
}

/* Whether the replica is on another host than the config itself names, and has a key of its
 * own. It is another instance of the service then, where the workspace of the config does
 * not exist. A key that comes from a command is not known here, and counts as another one. */
gboolean
_lsobs_settings_is_foreign (LsobsConfig *config, const LsobsReplica *replica)
{
  g_autofree char *server = NULL;
  g_autofree char *own_server = NULL;

  if (are_one_key (replica->api_key, NULL) ||
      are_one_key (replica->api_key, _lsobs_config_peek_api_key (config)))
    return FALSE;
  server = dup_server (replica->api_url);
  own_server = dup_server (lsobs_config_get_api_url (config));
  return server == NULL || own_server == NULL || strcmp (server, own_server) != 0;
}

/* Whether the same runs would go to the same target with the same key: a mistake, and
 * a service that refuses half of what it gets. */
static gboolean
are_one_place (LsobsSettings *a, LsobsSettings *b)
{
  return strcmp (a->api_url, b->api_url) == 0 &&
         _lsobs_credentials_are_same (a->credentials, b->credentials) &&
         g_strcmp0 (a->workspace_id, b->workspace_id) == 0 &&
         _lsobs_target_equal (_lsobs_settings_get_target (a, a->target),
                              _lsobs_settings_get_target (b, b->target)) &&
         g_strcmp0 (_lsobs_settings_get_seed (a, a->target),
                    _lsobs_settings_get_seed (b, b->target)) == 0;
}

static gboolean
check_places (GPtrArray *places, GError **error)
{
  guint n_primary = 0;

  for (guint i = 0; i < places->len; i++)
    {
      LsobsSettings *place = g_ptr_array_index (places, i);

      if (place->role == LSOBS_REPLICA_ROLE_PRIMARY && ++n_primary > 1)
        {
          g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                               _ ("Invalid replicas: more than one is the primary"));
          return FALSE;
        }
      for (guint k = 0; k < i; k++)
        if (are_one_place (g_ptr_array_index (places, k), place))
          {
            g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                         _ ("Invalid replicas: %u and %u are the same place"), k + 1, i + 1);
            return FALSE;
          }
    }
  return TRUE;
}

/* What a replica is called in messages: its number and its host, never its key. */
static char *
make_label (LsobsSettings *self)
{
  g_autoptr (GUri) uri = g_uri_parse (self->api_url, G_URI_FLAGS_ENCODED, NULL);
  const char *host = g_uri_get_host (uri);
  gboolean is_ipv6 = strchr (host, ':') != NULL;
  g_autofree char *port = NULL;
  g_autofree char *server = NULL;

  if (g_uri_get_port (uri) != -1)
    port = g_strdup_printf (":%d", g_uri_get_port (uri));
  server = g_strconcat (is_ipv6 ? "[" : "", host, is_ipv6 ? "]" : "", port, NULL);
  /* TRANSLATORS: the name of a service in other messages, such as “Traces to %s are being lost”. */
  return g_strdup_printf (_ ("replica %u at %s"), self->lane + 1, server);
}

/* What could not be sent to one place is of no use to another: the ids are not the
 * same. */
static void
tell_apart (LsobsSettings *self, guint n_places)
{
  g_autofree char *dir = g_steal_pointer (&self->failed_traces_dir);
  g_autofree char *name = g_strdup_printf ("replica-%u", self->lane + 1);

  self->label = make_label (self);
  if (dir != NULL)
    self->failed_traces_dir = g_build_filename (dir, name, NULL);
  self->failed_traces_max_bytes = MAX (self->failed_traces_max_bytes / n_places, 1);
}

/* The places have threads of their own, but the program's function expects one. */
static void
share_hook (GPtrArray *places)
{
  LsobsSettings *first = g_ptr_array_index (places, 0);
  g_autoptr (LsobsRedactHook) turns = NULL;

  if (places->len == 1 || first->redact_hook == NULL)
    return;
  turns = _lsobs_redact_hook_new_turns (first->redact_hook);
  for (guint i = 0; i < places->len; i++)
    {
      LsobsSettings *place = g_ptr_array_index (places, i);

      _lsobs_redact_hook_unref (place->redact_hook);
      place->redact_hook = _lsobs_redact_hook_ref (turns);
    }
}

/* Returns: (transfer full) (nullable) (element-type LsobsSettings): for each of the
 * places that runs are written to, at least one */
GPtrArray *
_lsobs_settings_new_for_places (LsobsConfig *config, LsobsSettingsUse use, GError **error)
{
  g_autoptr (GPtrArray) places =
      g_ptr_array_new_with_free_func ((GDestroyNotify) _lsobs_settings_unref);
  GPtrArray *replicas = _lsobs_config_peek_replicas (config);

  if (replicas->len > LSOBS_MAX_REPLICAS)
    {
      g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                   _ ("Invalid replicas: there are more than %d"), LSOBS_MAX_REPLICAS);
      return NULL;
    }
  for (guint i = 0; i < MAX (replicas->len, 1); i++)
    {
      const LsobsReplica *replica = i < replicas->len ? g_ptr_array_index (replicas, i) : NULL;
      g_autoptr (GError) problem = NULL;
      LsobsSettings *place = _lsobs_settings_new_for_replica (config, replica, use, &problem);

      if (place == NULL && replica != NULL)
        /* TRANSLATORS: its number, from 1, and what is wrong with it. */
        g_set_error (error, problem->domain, problem->code, _ ("Replica %u: %s"), i + 1,
                     problem->message);
      else if (place == NULL)
        g_propagate_error (error, g_steal_pointer (&problem));
      if (place == NULL)
        return NULL;
      place->lane = i;
      if (replicas->len > 1)
        tell_apart (place, replicas->len);
      g_ptr_array_add (places, place);
    }
  if (!check_places (places, error))
    return NULL;
  share_hook (places);
  return g_steal_pointer (&places);
}
