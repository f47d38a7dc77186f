/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <string.h>

#include "tools/store/json-put.h"
#include "tools/store/json-view.h"
#include "tools/transfer/record-text.h"

/* What the address of an agent begins with, as clients send it in place of a project. */
#define ADDRESS_PREFIX "lrn:agents/"

/* Appends a member that was stored, and its comma. */
static void
copy_member (LsobsBuffer *out, const JsonMember *member)
{
  if (out->data[out->len - 1] != '{')
    _lsobs_buffer_append_c (out, ',');
  _lsobs_buffer_append_c (out, '"');
  _lsobs_buffer_append (out, member->name, member->name_len);
  _lsobs_buffer_append_str (out, "\":");
  _lsobs_buffer_append (out, member->value, member->value_len);
}

/* Appends the members of an object but one. @without: (nullable) */
static void
copy_members (LsobsBuffer *out, const char *json, const char *without)
{
  g_auto (JsonView) view;
  const char *at = NULL;
  JsonMember member;

  json_view_init (&view, json, strlen (json));
  while (json_view_next (&view, json, &at, &member))
    if (without == NULL || !json_member_is (&member, without))
      copy_member (out, &member);
}

/* Appends a member that is not left out if it is NULL. */
static void
put_json (LsobsBuffer *out, const char *name, const char *json)
{
  if (json != NULL)
    json_put_json (out, name, json);
}

static void
put_text (LsobsBuffer *out, const char *name, const char *text)
{
  if (text != NULL)
    json_put_text (out, name, text);
}

/* Appends which run it is, and where it is in its trace. */
static void
put_place (LsobsBuffer *out, const Run *run)
{
  json_put_id (out, "id", &run->id);
  json_put_id (out, "trace_id", &run->trace_id);
  json_put_text (out, "dotted_order", run->dotted_order);
  if (run->has_parent)
    json_put_id (out, "parent_run_id", &run->parent_id);
}

void
record_text_put_place (LsobsBuffer *out, const Run *run)
{
  json_put_begin (out, NULL, '{');
  put_place (out, run);
  json_put_end (out, '}');
}

void
record_text_put_run (LsobsBuffer *out, const Run *run, const char *project, const RecordMask *mask)
{
  json_put_begin (out, NULL, '{');
  put_place (out, run);
  if (*run->name != '\0')
    json_put_text (out, "name", run->name);
  json_put_text (out, "run_type", run->run_type);
  json_put_text (out, g_str_has_prefix (project, ADDRESS_PREFIX) ? "address" : "session_name",
                 project);
  json_put_time (out, "start_time", run->start_time);
  if (run->end_time != TIME_NONE)
    json_put_time (out, "end_time", run->end_time);
  put_json (out, "tags", run->tags);
  put_text (out, "reference_example_id", run->reference_example);
  /* An error without a text is only in the status. */
  if (run->status == RUN_ERROR && run->error == NULL)
    json_put_text (out, "status", "error");
  put_json (out, "inputs", mask->hide_inputs ? "{}" : run->inputs);
  if (run->outputs != NULL)
    json_put_json (out, "outputs", mask->hide_outputs ? "{}" : run->outputs);
  put_json (out, "events", run->events);
  if (run->extra != NULL)
    {
      json_put_begin (out, "extra", '{');
      copy_members (out, run->extra, mask->hide_metadata ? "metadata" : NULL);
      json_put_end (out, '}');
    }
  put_text (out, "error", run->error);
  put_json (out, "serialized", run->serialized);
  json_put_end (out, '}');
}

void
record_text_put_feedback (LsobsBuffer *out, const Feedback *feedback, const LsobsId *trace_id)
{
  g_auto (JsonView) view;
  const char *at = NULL;
  JsonMember member;

  json_put_begin (out, NULL, '{');
  json_view_init (&view, feedback->body, strlen (feedback->body));
  while (json_view_next (&view, feedback->body, &at, &member))
    if (!json_member_is (&member, "session_id") && !json_member_is (&member, "trace_id") &&
        !json_member_is (&member, "created_at") && !json_member_is (&member, "modified_at"))
      copy_member (out, &member);
  json_put_id (out, "trace_id", trace_id);
  json_put_time (out, "created_at", feedback->created);
  json_put_time (out, "modified_at", feedback->modified);
  json_put_end (out, '}');
}
