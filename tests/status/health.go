// Package status gives what the operator tells about a bus to the tools that read it.
//
// In: resources as the API server has them, the health check for Argo CD. Out: what the tools make of
// them.
package status

import (
	"fmt"

	lua "github.com/yuin/gopher-lua"
)

// Health is what a health check for Argo CD answers.
type Health struct {
	Status, Message string
}

// Check runs a health check as Argo CD does: on a resource named `obj`, with no library that reaches
// outside, and what it returns is a table of a status and a message.
func Check(script string, resource map[string]any) (Health, error) {
	interpreter := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer interpreter.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName:   lua.OpenPackage,
		lua.BaseLibName:   lua.OpenBase,
		lua.TabLibName:    lua.OpenTable,
		lua.StringLibName: lua.OpenString,
		lua.MathLibName:   lua.OpenMath,
	} {
		err := interpreter.CallByParam(lua.P{Fn: interpreter.NewFunction(open), Protect: true}, lua.LString(name))
		if err != nil {
			return Health{}, err
		}
	}
	interpreter.SetGlobal("obj", value(interpreter, resource))
	if err := interpreter.DoString(script); err != nil {
		return Health{}, err
	}
	answer, ok := interpreter.Get(-1).(*lua.LTable)
	if !ok {
		return Health{}, fmt.Errorf("the health check returns %s and no table", interpreter.Get(-1).Type())
	}
	return Health{
		Status:  lua.LVAsString(answer.RawGetString("status")),
		Message: lua.LVAsString(answer.RawGetString("message")),
	}, nil
}

// value is what Lua has for a value of JSON.
func value(interpreter *lua.LState, json any) lua.LValue {
	switch json := json.(type) {
	case bool:
		return lua.LBool(json)
	case float64:
		return lua.LNumber(json)
	case int64:
		return lua.LNumber(json)
	case string:
		return lua.LString(json)
	case []any:
		table := interpreter.NewTable()
		for _, entry := range json {
			table.Append(value(interpreter, entry))
		}
		return table
	case map[string]any:
		table := interpreter.NewTable()
		for key, entry := range json {
			table.RawSetString(key, value(interpreter, entry))
		}
		return table
	default:
		return lua.LNil
	}
}
