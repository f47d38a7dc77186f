/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The callbacks of a graph engine, with JSON as text. */

#pragma once

#include "tests/lib/run-helpers.h"

G_BEGIN_DECLS

static inline void
graph_start (gpointer graph, const char *node_id, const char *input)
{
  g_autoptr (JsonNode) node = run_json (input);

  lsobs_graph_observer_on_node_start (LSOBS_GRAPH_OBSERVER (graph), node_id, node);
}

static inline void
graph_end (gpointer graph, const char *node_id, const char *output, gint64 duration_ms)
{
  g_autoptr (JsonNode) node = run_json (output);

  lsobs_graph_observer_on_node_end (LSOBS_GRAPH_OBSERVER (graph), node_id, node, duration_ms);
}

static inline void
graph_error (gpointer graph, const char *node_id, const char *message)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, message);

  lsobs_graph_observer_on_error (LSOBS_GRAPH_OBSERVER (graph), node_id, error);
}

static inline void
graph_call (gpointer graph,
            const char *node_id,
            const char *tool_name,
            const char *call_id,
            const char *args)
{
  g_autoptr (JsonNode) node = run_json (args);

  lsobs_graph_observer_on_tool_call (LSOBS_GRAPH_OBSERVER (graph), node_id, tool_name, call_id,
                                     node);
}

static inline void
graph_result (gpointer graph,
              const char *node_id,
              const char *tool_name,
              const char *call_id,
              const char *result)
{
  g_autoptr (JsonNode) node = run_json (result);

  lsobs_graph_observer_on_tool_result (LSOBS_GRAPH_OBSERVER (graph), node_id, tool_name, call_id,
                                       node);
}

/* Delivers everything, and compares the tree of all that has come. */
static inline void
graph_assert_tree (RunFixture *fixture, WireTreeTextFlags flags, const char *expected)
{
  g_autofree char *text = wire_tree_to_string (run_fixture_flush (fixture), flags);

  g_assert_cmpstr (text, ==, expected);
}

G_END_DECLS
