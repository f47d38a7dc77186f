/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <glib/gi18n-lib.h>

#include "lsobs/config/lsobs-config-private.h"
#include "lsobs/config/lsobs-settings-private.h"
#include "lsobs/lsobs-error.h"

/* The agent that traces belong to. #LsobsConfig is described in the file of its name. */

static gboolean
is_given (const char *text)
{
  gsize len;

  _lsobs_config_trim (text, &len);
  return len > 0;
}

/* Returns: (transfer full) */
static char *
dup_trimmed (const char *text)
{
  gsize len;
  const char *start = _lsobs_config_trim (text, &len);

  return g_strndup (start, len);
}

static void
set_part (LsobsConfig *self, char **member, const char *value)
{
  LsobsAgent *agent = _lsobs_config_peek_agent (self);
  g_autofree char *before = NULL;

  if (is_given (value))
    agent->origin = LSOBS_ORIGIN_PROGRAM;
  if (g_strcmp0 (*member, value) == 0)
    return;
  before = g_steal_pointer (member);
  *member = g_strdup (value);
  _lsobs_config_notify_agent (self, member == &agent->environment);
}

/* What was set so far is what the environment says.
 * @variable: (nullable): that names the project, static
 * @yields: whether an agent takes the place of that project */
void
_lsobs_config_set_destination_from_environment (LsobsConfig *self,
                                                const char *variable,
                                                gboolean yields)
{
  LsobsAgent *agent = _lsobs_config_peek_agent (self);

  agent->origin = MIN (agent->origin, LSOBS_ORIGIN_ENVIRONMENT);
  agent->project_origin =
      yields ? LSOBS_ORIGIN_NONE : MIN (agent->project_origin, LSOBS_ORIGIN_ENVIRONMENT);
  agent->project_variable = variable;
}

static LsobsTarget *
new_agent (LsobsAgent *agent, GError **error)
{
  g_autofree char *id = NULL;
  g_autofree char *environment = NULL;

  if (!is_given (agent->id))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("An agent environment is set without an agent id; set the property "
                              "agent-id, or the environment variable LANGSMITH_AGENT_ID, as well"));
      return NULL;
    }
  if (!is_given (agent->environment))
    {
      g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                           _ ("An agent id is set without an agent environment; set the property "
                              "agent-environment, or the environment variable "
                              "LANGSMITH_AGENT_ENVIRONMENT, as well"));
      return NULL;
    }
  id = dup_trimmed (agent->id);
  environment = dup_trimmed (agent->environment);
  return _lsobs_target_new_agent (id, environment, error);
}

static void
set_conflict (LsobsAgent *agent, GError **error)
{
  if (agent->origin == LSOBS_ORIGIN_ENVIRONMENT && agent->project_variable != NULL)
    g_set_error (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                 /* TRANSLATORS: both are variables of the environment. */
                 _ ("Only one of %s and %s can be set"), agent->project_variable,
                 is_given (agent->id) ? "LANGSMITH_AGENT_ID" : "LANGSMITH_AGENT_ENVIRONMENT");
  else
    g_set_error_literal (error, LSOBS_ERROR, LSOBS_ERROR_INVALID_CONFIG,
                         _ ("A project name and an agent are both set; traces go to only one of "
                            "them, so set either the property project-name or the properties "
                            "agent-id and agent-environment"));
}

/* Returns: (transfer full) (nullable): where runs go, before a replica has its say */
LsobsTarget *
_lsobs_config_dup_destination (LsobsConfig *self, GError **error)
{
  LsobsAgent *agent = _lsobs_config_peek_agent (self);
  const char *project_name = lsobs_config_get_project_name (self);
  gboolean has_agent = is_given (agent->id) || is_given (agent->environment);
  g_autoptr (LsobsTarget) target = NULL;
  g_autoptr (GError) problem = NULL;

  if (has_agent && agent->origin > agent->project_origin)
    target = new_agent (agent, &problem);
  else if (has_agent && agent->origin == agent->project_origin)
    set_conflict (agent, &problem);
  if (target != NULL)
    return g_steal_pointer (&target);
  /* What the environment says does not end a program that does not trace. */
  if (problem != NULL &&
      (agent->origin == LSOBS_ORIGIN_PROGRAM || lsobs_config_get_tracing_enabled (self)))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  return _lsobs_target_new_project (
      project_name != NULL && *project_name != '\0' ? project_name : LSOBS_DEFAULT_PROJECT_NAME);
}

/**
 * lsobs_config_set_agent_id:
 * @self: a config
 * @agent_id: (nullable): the value, or %NULL for none
 *
 * Sets the id of the agent that the traces belong to; see #LsobsConfig:agent-id.
 *
 * Since: 0.1
 */
void
lsobs_config_set_agent_id (LsobsConfig *self, const char *agent_id)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_part (self, &_lsobs_config_peek_agent (self)->id, agent_id);
}

/**
 * lsobs_config_get_agent_id:
 * @self: a config
 *
 * Gets the id of the agent that the traces belong to.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_agent_id (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return _lsobs_config_peek_agent (self)->id;
}

/**
 * lsobs_config_set_agent_environment:
 * @self: a config
 * @agent_environment: (nullable): the value, or %NULL for none
 *
 * Sets the environment of the agent that the traces belong to; see
 * #LsobsConfig:agent-environment.
 *
 * Since: 0.1
 */
void
lsobs_config_set_agent_environment (LsobsConfig *self, const char *agent_environment)
{
  g_return_if_fail (LSOBS_IS_CONFIG (self));

  set_part (self, &_lsobs_config_peek_agent (self)->environment, agent_environment);
}

/**
 * lsobs_config_get_agent_environment:
 * @self: a config
 *
 * Gets the environment of the agent that the traces belong to.
 *
 * Returns: (transfer none) (nullable): the value, as it was set
 *
 * Since: 0.1
 */
const char *
lsobs_config_get_agent_environment (LsobsConfig *self)
{
  g_return_val_if_fail (LSOBS_IS_CONFIG (self), NULL);

  return _lsobs_config_peek_agent (self)->environment;
}
