/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-target-private.h"
#include "lsobs/lsobs-error.h"

#define AGENT_PREFIX      "lrn:agents/"
#define ENVIRONMENT_INFIX "/environments/"

/* The id of an agent must be a label of a host name. */
#define MAX_ID_LEN 63

static const char *const environments[] = { "local", "development", "staging", "production" };

static LsobsTarget *
new_target (const char *name, gboolean is_address)
{
  gsize size = strlen (name) + 1;
  LsobsTarget *self = g_malloc (sizeof *self + size);

  g_atomic_ref_count_init (&self->ref_count);
  self->is_address = is_address;
  memcpy (self->name, name, size);
  return self;
}

LsobsTarget *
_lsobs_target_new_project (const char *name)
{
  return new_target (name, FALSE);
}

static gboolean
is_agent_id (const char *id, gsize len)
{
  if (len == 0 || len > MAX_ID_LEN || !g_ascii_islower (id[0]) || id[len - 1] == '-')
    return FALSE;
  for (gsize i = 0; i < len; i++)
    if (!g_ascii_islower (id[i]) && !g_ascii_isdigit (id[i]) && id[i] != '-')
      return FALSE;
  return TRUE;
}

/* Ignores the case of @text.
 * Returns: (nullable): the environment as it is sent */
static const char *
find_environment (const char *text)
{
  for (guint i = 0; i < G_N_ELEMENTS (environments); i++)
    if (g_ascii_strcasecmp (text, environments[i]) == 0)
      return environments[i];
  return NULL;
}

static LsobsTarget *
new_address (const char *id, gsize len, const char *environment)
{
  g_autofree char *address =
      g_strdup_printf (AGENT_PREFIX "%.*s" ENVIRONMENT_INFIX "%s", (int) len, id, environment);

  return new_target (address, TRUE);
}

/* Fails with LSOBS_ERROR_INVALID_CONFIG if the service would not accept the address: it would refuse
 * whole requests. */
LsobsTarget *
_lsobs_target_new_agent (const char *id, const char *environment, GError **error)
{
  const char *known = find_environment (environment);

  if (!is_agent_id (id, strlen (id)))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("Invalid agent id: it must be 1 to 63 lower-case ASCII letters, "
                              "digits or hyphens, begin with a letter, and end with a letter or "
                              "a digit"));
      return NULL;
    }
  if (known == NULL)
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("Invalid agent environment: it must be local, development, staging "
                              "or production"));
      return NULL;
    }
  return new_address (id, strlen (id), known);
}

/* Returns: (transfer full) (nullable): NULL if @text is not the address of an agent */
LsobsTarget *
_lsobs_target_parse_address (const char *text)
{
  const char *id;
  const char *end;
  const char *environment;

  if (!g_str_has_prefix (text, AGENT_PREFIX))
    return NULL;
  id = text + strlen (AGENT_PREFIX);
  end = strchr (id, '/');
  if (end == NULL || !is_agent_id (id, (gsize) (end - id)) ||
      !g_str_has_prefix (end, ENVIRONMENT_INFIX))
    return NULL;
  environment = find_environment (end + strlen (ENVIRONMENT_INFIX));
  return environment != NULL ? new_address (id, (gsize) (end - id), environment) : NULL;
}

LsobsTarget *
_lsobs_target_ref (LsobsTarget *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_lsobs_target_unref (LsobsTarget *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    g_free (self);
}

gboolean
_lsobs_target_equal (const LsobsTarget *a, const LsobsTarget *b)
{
  return a == b || (a->is_address == b->is_address && strcmp (a->name, b->name) == 0);
}
