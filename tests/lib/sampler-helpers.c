/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "tests/lib/sampler-helpers.h"

static gboolean
test_sampler_should_sample (LsobsSampler *sampler, const char *trace_id)
{
  TestSampler *self = TEST_SAMPLER (sampler);

  g_ptr_array_add (self->asked, g_strdup (trace_id));
  return self->alternates ? self->asked->len % 2 == 1 : self->answer;
}

static void
test_sampler_sampler_init (LsobsSamplerInterface *iface)
{
  iface->should_sample = test_sampler_should_sample;
}

G_DEFINE_FINAL_TYPE_WITH_CODE (TestSampler,
                               test_sampler,
                               G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (LSOBS_TYPE_SAMPLER,
                                                      test_sampler_sampler_init))

static void
test_sampler_finalize (GObject *object)
{
  g_ptr_array_unref (TEST_SAMPLER (object)->asked);

  G_OBJECT_CLASS (test_sampler_parent_class)->finalize (object);
}

static void
test_sampler_class_init (TestSamplerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_sampler_finalize;
}

static void
test_sampler_init (TestSampler *self)
{
  self->answer = TRUE;
  self->asked = g_ptr_array_new_with_free_func (g_free);
}
