/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/store/json-view.h"
#include "tools/store/run-facts.h"

/* --- usage --- */

static gint64
read_tokens (JsonView *view, const char *usage, const char *name, const char *other_name)
{
  gint64 number = 0;

  if (!json_view_get_int (json_view_find (view, usage, name, NULL), &number))
    json_view_get_int (json_view_find (view, usage, other_name, NULL), &number);
  return MAX (number, 0);
}

static double
read_cost (JsonView *view, const char *usage, const char *name)
{
  double number = 0;

  json_view_get_double (json_view_find (view, usage, name, NULL), &number);
  return MAX (number, 0);
}

/* @usage: (nullable): an object as of LangSmith, or with the names of OpenAI */
static gboolean
read_usage (JsonView *view, const char *usage, RunUsage *result)
{
  if (usage == NULL || *usage != '{')
    return FALSE;
  result->prompt_tokens = read_tokens (view, usage, "input_tokens", "prompt_tokens");
  result->completion_tokens = read_tokens (view, usage, "output_tokens", "completion_tokens");
  result->total_tokens = read_tokens (view, usage, "total_tokens", "total_tokens");
  result->total_tokens =
      MAX (result->total_tokens, result->prompt_tokens + result->completion_tokens);
  result->prompt_cost = read_cost (view, usage, "input_cost");
  result->completion_cost = read_cost (view, usage, "output_cost");
  result->total_cost =
      MAX (read_cost (view, usage, "total_cost"), result->prompt_cost + result->completion_cost);
  return TRUE;
}

/* Returns: (nullable): the first element of an array */
static const char *
get_first (JsonView *view, const char *array)
{
  const char *at = NULL;
  JsonMember member;

  return array != NULL && *array == '[' && json_view_next (view, array, &at, &member) ? member.value
                                                                                      : NULL;
}

/* Clients of LangSmith put it into the metadata, or beside the outputs; LangChain into the message of
 * the first generation, or the output of the model. */
static void
find_usage (Run *run)
{
  g_auto (JsonView) view;

  json_view_init (&view, "", 0);
  memset (&run->usage, 0, sizeof run->usage);
  /* A run that calls another run may repeat the usage of that run. */
  if (strcmp (run->run_type, "llm") != 0 && strcmp (run->run_type, "embedding") != 0)
    return;
  if (run->extra != NULL)
    {
      json_view_init (&view, run->extra, strlen (run->extra));
      if (read_usage (&view, json_view_find (&view, run->extra, "metadata", "usage_metadata", NULL),
                      &run->usage))
        return;
      json_view_clear (&view);
    }
  if (run->outputs != NULL)
    {
      const char *generation;

      json_view_init (&view, run->outputs, strlen (run->outputs));
      generation = json_view_find (&view, run->outputs, "generations", NULL);
      generation = get_first (&view, get_first (&view, generation));
      if (!read_usage (&view, json_view_find (&view, run->outputs, "usage_metadata", NULL),
                       &run->usage) &&
          !read_usage (&view,
                       json_view_find (&view, generation, "message", "kwargs", "usage_metadata",
                                       NULL),
                       &run->usage))
        read_usage (&view, json_view_find (&view, run->outputs, "llm_output", "token_usage", NULL),
                    &run->usage);
    }
}

/* --- others --- */

static void
find_first_token (Run *run)
{
  g_auto (JsonView) view;
  const char *at = NULL;
  JsonMember event;

  run->first_token_time = TIME_NONE;
  json_view_init (&view, run->events != NULL ? run->events : "",
                  run->events != NULL ? strlen (run->events) : 0);
  while (run->first_token_time == TIME_NONE && json_view_next (&view, run->events, &at, &event))
    {
      g_autofree char *name =
          json_view_dup_string (&view, json_view_find (&view, event.value, "name", NULL));
      const char *value = json_view_find (&view, event.value, "time", NULL);
      g_autofree char *time = json_view_dup_string (&view, value);
      double ms;

      if (g_strcmp0 (name, "new_token") != 0)
        continue;
      if (time != NULL)
        time_text_parse (time, strlen (time), &run->first_token_time);
      else if (json_view_get_double (value, &ms) && ms >= 0 && ms < (double) LSOBS_MAX_TIME / 1000)
        run->first_token_time = (gint64) (ms * 1000);
    }
}

static void
find_thread (Run *run)
{
  static const char *const names[] = { "thread_id", "session_id", "conversation_id" };
  g_auto (JsonView) view;
  const char *metadata;

  g_clear_pointer (&run->thread, g_free);
  json_view_init (&view, "", 0);
  if (run->extra == NULL)
    return;
  json_view_init (&view, run->extra, strlen (run->extra));
  metadata = json_view_find (&view, run->extra, "metadata", NULL);
  for (guint i = 0; i < G_N_ELEMENTS (names) && run->thread == NULL; i++)
    {
      const char *value = json_view_find (&view, metadata, names[i], NULL);

      run->thread = json_view_dup_string (&view, value);
      if (run->thread == NULL && value != NULL && (*value == '-' || g_ascii_isdigit (*value)))
        run->thread = _lsobs_json_document_dup_value (&view, value);
    }
}

void
run_facts_update (Run *run, gboolean failed)
{
  /* The end may be in whole milliseconds, as the client for JavaScript has it. */
  if (run->end_time != TIME_NONE)
    run->end_time = MAX (run->end_time, run->start_time);
  find_usage (run);
  find_first_token (run);
  find_thread (run);
  if (run->error != NULL || failed || run->status == RUN_ERROR)
    run->status = RUN_ERROR;
  else
    run->status = run->end_time != TIME_NONE ? RUN_SUCCESS : RUN_PENDING;
}
