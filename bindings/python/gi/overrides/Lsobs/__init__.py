# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes lsobs feel at home in Python: PyGObject loads this along with the typelib.

    with Lsobs.run('answer', {'question': '6*7'}) as run:
        with Lsobs.run('model', run_type='llm') as call:
            call.outputs = {'text': '42'}
        run.outputs = {'answer': 42}

The whole of the C API stays as it is: what takes a dict also takes a `Json.Node`.
"""

# Its functions for the end of the process are registered.
from . import _exit  # noqa: F401  pylint: disable=unused-import
from ._blocks import run, start_run, trace_message, tracing_context
from ._functions import bind, traced
from ._objects import Client, Exporter, Feedback, Invocation, ModelCall, Observer, Usage
from ._observers import get_default_observer, set_default_observer
from ._places import get_current_run
from ._runs import Run
from ._wrap_anthropic import wrap_anthropic
from ._wrap_genai import wrap_genai
from ._wrap_ollama import wrap_ollama
from ._wrap_openai import wrap_openai

__all__ = ['Client', 'Exporter', 'Feedback', 'Invocation', 'ModelCall', 'Observer', 'Run', 'Usage',
           'bind', 'get_current_run', 'get_default_observer', 'run', 'set_default_observer',
           'start_run', 'trace_message', 'traced', 'tracing_context', 'wrap_anthropic', 'wrap_genai',
           'wrap_ollama', 'wrap_openai']
