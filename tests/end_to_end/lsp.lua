-- Drives `cbuild lsp` from a headless Neovim, as an editor does. Each wait is for a condition; what
-- is not as it must be ends the editor with an error, of which standard error tells.
-- CBUILD is the program, FOLDER the folder with the files, REDIS a file of the examples.

local program, folder, redis = vim.env.CBUILD, vim.env.FOLDER, vim.env.REDIS
local main, lib = folder .. "/main.cbuild", folder .. "/lib.cbuild"

local function same(found, expected, what)
  if not vim.deep_equal(found, expected) then
    error(what .. ": expected " .. vim.inspect(expected) .. ", found " .. vim.inspect(found), 2)
  end
end

local function has(text, part, what)
  if not (text and text:find(part, 1, true)) then
    error(what .. ": " .. vim.inspect(part) .. " is not in " .. vim.inspect(text), 2)
  end
end

local function wait(what, condition)
  if not vim.wait(60000, condition, 5) then
    error("waited in vain for " .. what, 2)
  end
end

local client

local function attach(file)
  vim.cmd("edit " .. vim.fn.fnameescape(file))
  local buffer = vim.api.nvim_get_current_buf()
  vim.lsp.buf_attach_client(buffer, client)
  wait("the client to be attached", function()
    return vim.lsp.buf_is_attached(buffer, client)
  end)
  return buffer
end

local function start()
  client = vim.lsp.start_client({ name = "cbuild", cmd = { program, "lsp" }, root_dir = folder })
  wait("the server to start", function()
    local started = vim.lsp.get_client_by_id(client)
    return started and started.initialized
  end)
end

-- The result of a request about the current buffer.
local function ask(method, params)
  local buffer = vim.api.nvim_get_current_buf()
  local answers, problem = vim.lsp.buf_request_sync(buffer, method, params, 60000)
  if not answers then
    error(method .. ": " .. tostring(problem), 2)
  end
  local answer = answers[client]
  return answer.result, answer.error or answer.err
end

-- Parameters for the place `more` characters behind the start of `needle`.
local function at(needle, more)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local start = line:find(needle, 1, true)
    if start then
      local _, units = vim.str_utfindex(line, start - 1)
      local character = units + (more or 0)
      return {
        textDocument = vim.lsp.util.make_text_document_params(),
        position = { line = number - 1, character = character },
      }
    end
  end
  error("there is no " .. needle, 2)
end

local function replace(old, new)
  for number, line in ipairs(vim.api.nvim_buf_get_lines(0, 0, -1, false)) do
    local start, stop = line:find(old, 1, true)
    if start then
      vim.api.nvim_buf_set_text(0, number - 1, start - 1, number - 1, stop, { new })
      return
    end
  end
  error("there is no " .. old, 2)
end

local function problems()
  return vim.diagnostic.get(vim.api.nvim_get_current_buf())
end

local function wait_for_problems(count)
  wait(count .. " diagnostics", function()
    return #problems() == count
  end)
end

local function labels(items)
  local found = {}
  for _, item in ipairs(items or {}) do
    found[item.label] = true
  end
  return found
end

local function reading()
  local hover = ask("textDocument/hover", at("greet(", 1))
  has(hover.contents.value, "pub fn greet(name: Str, level: Level = Quiet) -> Str", "hover")
  has(hover.contents.value, "Greets somebody.", "hover")

  local definition = ask("textDocument/definition", at("repeated(name"))
  same(definition.uri, vim.uri_from_fname(lib), "definition")
  same(definition.range.start.line, 3, "definition")

  local library = ask("textDocument/definition", at('repeat("a"'))
  local file = vim.uri_to_fname(library.uri)
  has(table.concat(vim.fn.readfile(file), "\n"), "pub", "a readable file of the standard library")

  local params = at("repeated(name")
  params.context = { includeDeclaration = true }
  same(#ask("textDocument/references", params), 3, "references")

  local symbols = ask("textDocument/documentSymbol", at("greet("))
  local names = vim.tbl_map(function(symbol) return symbol.name end, symbols)
  same(names, { "Level", "greet", "default", "wide" }, "symbols")
  same(#symbols[1].children, 2, "cases")
  local found = ask("workspace/symbol", { query = "repeated" })
  same(found[1].name, "repeated", "workspace symbols")
end

local function typing()
  -- After a wide character, so that positions are counted as the protocol counts them.
  replace('"😀"', '"😀" ++ lib.')
  local members = labels(ask("textDocument/completion", at('++ lib.', 7)))
  same({ members.repeated, members.hidden }, { true, nil }, "members of a module")
  wait("a diagnostic of the half-typed text", function()
    return #problems() > 0
  end)
  replace("++ lib.", "++ lib.make({ text = name,  })")
  local fields = labels(ask("textDocument/completion", at("name,  })", 6)))
  same({ fields.count, fields.text }, { true, nil }, "fields that are not given")
  replace(",  })", " })")
  wait_for_problems(1) -- `name` is not known here
  replace("text = name", 'text = lib.repeated("a", )')
  local help = ask("textDocument/signatureHelp", at('lib.repeated("a", ', 18))
  same(help.activeParameter, 1, "the active parameter")
  has(help.signatures[1].label, "repeated(text: Str, times: Int) -> Str", "signature")
  replace('repeated("a", )', 'repeated("a", 2)')
  wait_for_problems(0)
end

local function fixing()
  replace("lib.repeated(name", "lib.repeted(name")
  wait_for_problems(1)
  same(problems()[1].code, "E0216", "diagnostic")
  local place = at("repeted(name", 1).position
  local actions = ask("textDocument/codeAction", {
    textDocument = vim.lsp.util.make_text_document_params(),
    range = { start = place, ["end"] = place },
    context = { diagnostics = {} },
  })
  has(actions[1].title, "repeated", "code action")
  vim.lsp.util.apply_workspace_edit(actions[1].edit, "utf-16")
  wait_for_problems(0)

  replace("pub let default: Str =", "pub let default:   Str =")
  local edits = ask("textDocument/formatting", {
    textDocument = vim.lsp.util.make_text_document_params(),
    options = { tabSize = 2, insertSpaces = true },
  })
  vim.lsp.util.apply_text_edits(edits, 0, "utf-16")
  has(table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), "\n"), "pub let default: Str =", "formatted")
end

local function renaming()
  local params = at("repeated(name")
  params.newName = "many"
  local edit = ask("textDocument/rename", params)
  vim.lsp.util.apply_workspace_edit(edit, "utf-16")
  at("lib.many(name")
  wait_for_problems(0)
  local other = vim.fn.bufnr(lib)
  local text = table.concat(vim.api.nvim_buf_get_lines(other, 0, -1, false), "\n")
  has(text, "pub fn many(text", "the renamed declaration")
  params.position = at("name, times", 1).position
  params.newName = "level"
  local result, refusal = ask("textDocument/rename", params)
  same(result, nil, "a clash")
  has(refusal and refusal.message, "means something else", "a clash")
end

local function run()
  start()
  attach(main)
  reading()
  typing()
  fixing()
  renaming()
  attach(redis)
  local hover = ask("textDocument/hover", at("oci.image", 5))
  has(hover.contents.value, "fn image", "hover over the standard library")
  same(#problems(), 0, "problems of an example")
  local started = vim.lsp.get_client_by_id(client)
  started.stop()
  wait("the server to end", function()
    return started.is_stopped()
  end)
end

local done, problem = xpcall(run, debug.traceback)
if not done then
  io.stderr:write(problem .. "\n")
  vim.cmd("cquit 1")
end
print("all that was asked was answered")
vim.cmd("qall!")
