// inventory: a goroutine per request (net/http) and a pool of Redis connections.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// redisConn is one connection with one command in flight.
type redisConn struct {
	net.Conn
	reader *bufio.Reader
}

// redisPool keeps idle connections, the last one used first.
type redisPool struct {
	address string
	mutex   sync.Mutex
	idle    []*redisConn
}

func (p *redisPool) get() (*redisConn, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if n := len(p.idle); n > 0 {
		c := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return c, nil
	}
	c, err := net.Dial("tcp", p.address)
	if err != nil {
		return nil, err
	}
	return &redisConn{c, bufio.NewReader(c)}, nil
}

func (p *redisPool) command(args ...string) error {
	c, err := p.get()
	if err != nil {
		return err
	}
	var request strings.Builder
	fmt.Fprintf(&request, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&request, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err = io.WriteString(c, request.String()); err == nil {
		err = skipAnswer(c.reader)
	}
	if err != nil {
		c.Close()
		return err
	}
	p.mutex.Lock()
	p.idle = append(p.idle, c)
	p.mutex.Unlock()
	return nil
}

func skipAnswer(r *bufio.Reader) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch {
	case line[0] == '-':
		return fmt.Errorf("redis: %s", line)
	case line[0] == '$' && n >= 0:
		_, err = r.Discard(n + 2)
	case line[0] == '*':
		for i := 0; i < n && err == nil; i++ {
			err = skipAnswer(r)
		}
	}
	return err
}

// truth numbers the calls of one request; without a header it gives "".
type truth struct {
	value string
	n     int
}

func (t *truth) next() string {
	if t.value == "" {
		return ""
	}
	t.n++
	return t.value + "." + strconv.Itoa(t.n)
}

func mget(key, truth string) []string {
	if truth == "" {
		return []string{"MGET", key}
	}
	return []string{"MGET", key, "weft-truth:" + truth}
}

func think(milliseconds float64) {
	time.Sleep(time.Duration(milliseconds * 1e6 * math.Exp(0.6*rand.NormFloat64()-0.18)))
}

func main() {
	var ports map[string]int
	if err := json.Unmarshal([]byte(os.Getenv("SHOP_PORTS")), &ports); err != nil {
		fmt.Fprintln(os.Stderr, "SHOP_PORTS:", err)
		os.Exit(2)
	}
	// More than usual, for each request.
	slow, _ := strconv.ParseFloat(os.Getenv("SHOP_SLOW_MS"), 64)
	redis := &redisPool{address: fmt.Sprintf("127.0.0.1:%d", ports["redis"])}

	// serve registers a handler that gets the last part of the path and the request's truth.
	serve := func(prefix string, work func(id string, t *truth) error) {
		http.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			id := strings.TrimPrefix(r.URL.Path, prefix)
			err := work(id, &truth{value: r.Header.Get("X-Weft-Truth")})
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id": %q, "stock": 5}`, id)
		})
	}
	serve("/stock/", func(id string, t *truth) error { // Redis once
		think(1.8 + slow)
		return redis.command(mget("stock:"+id, t.next())...)
	})
	serve("/reserve/", func(id string, t *truth) error { // read, then write
		if err := redis.command(mget("stock:"+id, t.next())...); err != nil {
			return err
		}
		think(1.2 + slow)
		value := "4"
		if v := t.next(); v != "" {
			value += ";weft-truth:" + v
		}
		return redis.command("SET", "stock:"+id, value)
	})

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	http.Serve(listener, nil)
}
