"""A customer's app whose one page breaks while it holds a token: what does the error page show?"""
